"""What rules that wrap another rule share."""

from typing import Any

import keras

from maml_tf.inner_loop.update_rules.update_rule import UpdateRule


class WrappedRule(UpdateRule):
    """A rule around another one, whose variables and state it passes on.

    Args:
        rule: the update rule inside.
    """

    def __init__(self, rule: UpdateRule, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rule = rule

    def build_for(self, fast_variables: list[keras.Variable]) -> None:
        self.rule.build_for(fast_variables)
        self.built = True

    def learned_rates(self) -> Any:
        return self.rule.learned_rates()

    def init(self, weights: Any) -> Any:
        return self.rule.init(weights)

    def get_config(self) -> dict[str, Any]:
        rule = keras.saving.serialize_keras_object(self.rule)
        return {**super().get_config(), "rule": rule}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WrappedRule":
        rule = keras.saving.deserialize_keras_object(config["rule"])
        return cls(**{**config, "rule": rule})
