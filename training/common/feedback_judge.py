"""The methods that an evaluation of feedback compares, user by user."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from maml_tf.episodes.feedback_episodes import (
    EncodedReplies,
    FeedbackTask,
    draw_feedback_task,
)
from maml_tf.episodes.reply_pool import ReplyPool
from maml_tf.episodes.simulated_users import User
from maml_tf.episodes.tastes import TASTES
from maml_tf.evaluation.perplexity import mean_and_half_interval
from maml_tf.evaluation.preferences import RANKINGS, PreferenceScorer, agreement
from maml_tf.inner_loop.update_rules import Adam, GradientDescent

from .feedback_flags import FeedbackSettings, make_feedback_learner
from .persona_weights import load_trained

# ranking -> pieces of feedback -> agreement, a number for each user.
Agreements = dict[str, dict[int, list[float]]]


class Judged(NamedTuple):
    """Replies of a part, as tensors too, and its users' tasks."""

    encoded: EncodedReplies
    tasks: list[FeedbackTask]


def user_tasks(
    part: str, pool: ReplyPool, users: int, *, support: int, query: int, seed: int
) -> list[FeedbackTask]:
    """Tasks of users of a part: every taste as often, in both directions in turn."""
    tastes = TASTES[part]

    def task(place: int) -> FeedbackTask:
        sign = 1 - 2 * (place // len(tastes) % 2)
        return draw_feedback_task(
            pool,
            lambda random: User(tastes[place % len(tastes)], sign),
            support=support,
            query=query,
            random=np.random.default_rng((seed, place)),
        )

    return [task(place) for place in range(users)]


class FeedbackJudge:
    """Runs every method on the same users, feedback and query pairs.

    Args:
        base: the base learner; methods start from the weights that it has now, or from
            a run's.
        test, validation: users; the latter choose rates and rankings.
        pieces: numbers of pieces of feedback.
    """

    def __init__(
        self, base: Any, test: Judged, validation: Judged, pieces: Sequence[int]
    ) -> None:
        self.base, self.test, self.validation = base, test, validation
        self.pieces = list(pieces)
        self._start = [np.array(v) for v in base.trainable_variables]
        self.rows: dict[str, dict[str, Any]] = {}

    def add_plain(
        self, name: str, settings: FeedbackSettings, rates: dict[str, list[float]]
    ) -> None:
        """The same loss and steps from the pretrained model, at the best rate.

        Args:
            name: of the row.
            settings: of the run whose loss and steps are taken.
            rates: by update rule, "gradient descent" and "adam".
        """
        kinds: dict[str, Any] = {"gradient descent": GradientDescent, "adam": Adam}
        plain = replace(settings, learner="maml")
        tried = {}
        for rule, values in rates.items():
            for rate in values:
                self._restore()
                learner = make_feedback_learner(
                    plain, self.base, update_rule=kinds[rule](rate)
                )
                found = self._agreements(learner, settings, self.validation)
                tried[rule, rate] = learner, found
                best = max(_overall(found[ranking]) for ranking in RANKINGS)
                print(f"{name}, {rule} {rate:g}: {best:.3f} (validation)", flush=True)
        chosen = max(
            tried, key=lambda way: max(_overall(tried[way][1][r]) for r in RANKINGS)
        )
        learner, found = tried[chosen]
        self._add(name, learner, settings, found)
        self.rows[name]["update_rule"], self.rows[name]["rate"] = chosen
        self.rows[name]["tried"] = {
            f"{rule} {rate:g}": {r: round(_overall(f[r]), 4) for r in RANKINGS}
            for (rule, rate), (_, f) in tried.items()
        }

    def add_trained(self, name: str, settings: FeedbackSettings, folder: Path) -> None:
        """What a run learned."""
        self._restore()
        learner = make_feedback_learner(settings, self.base)
        load_trained(folder, learner)
        found = self._agreements(learner, settings, self.validation)
        self._add(name, learner, settings, found)

    def result(self) -> dict[str, Any]:
        """Rows with intervals over users, and their differences pair by pair."""
        tastes = [task.user.taste.name for task in self.test.tasks]
        for row in self.rows.values():
            each = row["agreement"][row["ranking"]]
            row["table"] = {k: _interval(values) for k, values in each.items()}
            row["by_taste"] = {
                k: {
                    name: round(_mean_where(values, tastes, name), 3)
                    for name in dict.fromkeys(tastes)
                }
                for k, values in each.items()
            }
        return {
            "users": len(tastes),
            "tastes": tastes,
            "signs": [task.user.sign for task in self.test.tasks],
            "rows": self.rows,
        }

    def difference(self, ahead: str, behind: str) -> dict[int, str]:
        """The mean difference of two rows with its interval, user by user."""
        one, two = (
            self.rows[name]["agreement"][self.rows[name]["ranking"]]
            for name in (ahead, behind)
        )
        return {k: _interval(np.subtract(one[k], two[k])) for k in self.pieces}

    def _add(
        self, name: str, learner: Any, settings: FeedbackSettings, validation: Any
    ) -> None:
        began = time.monotonic()
        ranking = max(RANKINGS, key=lambda r: _overall(validation[r]))
        found = self._agreements(learner, settings, self.test)
        self.rows[name] = {
            "ranking": ranking,
            "validation": {r: round(_overall(validation[r]), 4) for r in RANKINGS},
            "agreement": found,
            "seconds": round(time.monotonic() - began, 1),
        }
        print(f"{name}: {self.rows[name]['seconds']:.0f} s", flush=True)

    def _agreements(
        self, learner: Any, settings: FeedbackSettings, judged: Judged
    ) -> Agreements:
        scorer = PreferenceScorer(learner, judged.encoded, thumbs=settings.thumbs)
        found: Agreements = {r: {k: [] for k in self.pieces} for r in RANKINGS}
        for task in judged.tasks:
            for count, margins in scorer.margins(task, self.pieces).items():
                for ranking in RANKINGS:
                    found[ranking][count].append(agreement(margins[ranking]))
        return found

    def _restore(self) -> None:
        for variable, value in zip(
            self.base.trainable_variables, self._start, strict=True
        ):
            variable.assign(value)


def _overall(by_pieces: dict[int, list[float]]) -> float:
    """The mean over users and numbers of pieces, none left aside."""
    return float(np.mean([np.mean(v) for k, v in by_pieces.items() if k]))


def _interval(values: Any) -> str:
    mean, half = mean_and_half_interval(100 * np.asarray(values))
    return f"{mean:.1f} ± {half:.1f}"


def _mean_where(values: list[float], tastes: list[str], name: str) -> float:
    chosen = [v for v, taste in zip(values, tastes, strict=True) if taste == name]
    return float(np.mean(chosen))
