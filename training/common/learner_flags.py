"""The flags of a learner and its base learner, derived from the registry."""

from typing import TYPE_CHECKING, Any

from absl import app, flags

from maml_tf.learners.inner_options import (
    FAST_WEIGHTS,
    INNER_OPTIONS,
    META_GRADIENTS,
    UPDATE_RULES,
)
from maml_tf.learners.registry import get_learner, registered_learners

from . import encoder_flags  # noqa: F401
from .flag_types import define_count, define_rate
from .settings import FLAGS

if TYPE_CHECKING:
    from maml_tf import MetaLearner

# Not learners of their own, but prototypical networks trained in another way.
PROJECTION, UPPER_LAYERS = ON_KEPT = ("projection", "upper_layers")
# Of no use to these.
OF_LEARNERS = (*INNER_OPTIONS, "lora_rank")

flags.DEFINE_enum(
    "learner",
    None,
    (*registered_learners(), *ON_KEPT),
    "The meta-learner. projection trains a projection behind a frozen encoder, in "
    "seconds, upper_layers the upper half of its layers, in a minute or two. By "
    "default upper_layers; prototypical for a base learner of scratch:, whose lower "
    "layers know nothing yet, or with a flag that upper_layers has no use for.",
)
define_count("sequence_length", 64, "Longest text in tokens.", least=4, most=2**16)
define_count(
    "lora_rank",
    None,
    "Freezes the encoder's dense layers and gives each two low-rank factors of this "
    "rank.",
    most=2**16,
)
define_count("inner_steps", 5, "Updates on the support set.", least=0, most=10**4)
define_rate("inner_learning_rate", 0.05, "Step size of the inner loop.")
define_count(
    "inner_batch_size",
    None,
    "Support examples that an inner step of --learner=reptile sees; by default all.",
)
flags.DEFINE_enum(
    "meta_gradient",
    "exact",
    META_GRADIENTS,
    "How MAML differentiates through the inner loop. exact_recursive: memory and "
    "start-up do not grow with --inner_steps.",
)
flags.DEFINE_enum(
    "update_rule",
    "gradient_descent",
    tuple(UPDATE_RULES),
    "How an inner step changes the weights; learned_rates, per_layer_per_step and "
    "meta_sgd learn their rates.",
)
flags.DEFINE_enum(
    "fast_weights",
    None,
    FAST_WEIGHTS,
    "What the inner loop changes; by default all_but_embeddings, and the head for "
    "anil. lora needs --lora_rank.",
)


def check_learner_flags() -> None:
    """Refuses flags that do not fit together; loads no TensorFlow.

    Raises:
        UsageError: in one sentence.
    """
    given = {name: FLAGS[name].value for name in INNER_OPTIONS if FLAGS[name].present}
    if FLAGS.learner in ON_KEPT:
        refusal = None
        if without := [name for name in OF_LEARNERS if FLAGS[name].present]:
            refusal = (
                f"--{without[0]} has no meaning for --learner={FLAGS.learner}, which "
                "trains nothing but that; leave it out or choose another learner."
            )
    else:
        refusal = get_learner(FLAGS.learner).refusal(given, prefix="--")
    if refusal:
        raise app.UsageError(refusal)
    if FLAGS.fast_weights == "lora" and not FLAGS.lora_rank:
        raise app.UsageError(
            "--fast_weights=lora has no factors to change; give --lora_rank=8 too."
        )


def base_learner_options() -> dict[str, Any]:
    """Arguments for `create_text_encoder` and `create_model`, but for the preset."""
    return {
        "sequence_length": FLAGS.sequence_length,
        "lora_rank": FLAGS.lora_rank,
        "text_prefix": FLAGS.text_prefix,
        "pretrained": FLAGS.pretrained,
        "seed": FLAGS.seed,
    }


def make_learner() -> "MetaLearner":
    """The learner that the flags describe; this loads TensorFlow."""
    from maml_tf.base_learners import create_model, create_text_encoder

    entry, options = get_learner(FLAGS.learner), base_learner_options()
    if entry.base_learner == "encoder":
        more: dict[str, Any] = {"scale": 10.0}
        if FLAGS.jit_compile:
            more["max_ways"] = FLAGS.ways
        if FLAGS.learner == "rotating_prototypical":
            more["examples_per_class"] = FLAGS.shots + FLAGS.queries
        return entry.build(
            create_text_encoder(FLAGS.base_learner, normalize=True, **options), **more
        )
    chosen = {
        name: FLAGS[name].value
        for name in entry.takes
        # Reptile's own rule is another one than the flag's default.
        if FLAGS[name].present or (FLAGS.learner, name) != ("reptile", "update_rule")
    }
    if chosen.get("fast_weights") is None and "fast_weights" not in entry.options:
        chosen["fast_weights"] = "all_but_embeddings"
    base = create_model(FLAGS.base_learner, num_classes=FLAGS.ways, **options)
    return entry.build(base, **chosen)
