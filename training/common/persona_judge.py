"""The methods that a persona evaluation compares, each a loss for each person."""

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from maml_tf.default_learner import default_learner
from maml_tf.episodes.dialogue_tokens import encode_dialogues
from maml_tf.episodes.dialogues import DialogueCorpus
from maml_tf.evaluation.perplexity import (
    PersonaScorer,
    PersonaTask,
    mean_and_half_interval,
    perplexity_of,
    persona_tasks,
)
from maml_tf.inner_loop.update_rules import Adam
from maml_tf.serving import Client
from maml_tf.serving.learner_transport import LearnerTransport

from .persona_flags import PersonaSettings, make_persona_learner
from .persona_replies import Replies, people_of
from .persona_weights import load_initial, load_trained

# name, number of dialogues -> a loss a person.
Losses = dict[str, dict[int, list[float]]]


class Judge:
    """Runs every method on the same people and the same dialogues.

    Args:
        settings: of the run that is judged.
        supports: numbers of dialogues to learn from.
        steps: numbers of inner steps.
        queries: dialogues to foretell.
        people: the most people that are judged, or None.
        asked: dialogues of each person in which replies are written, or 0.
        reply_tokens: the most tokens of a reply.
    """

    def __init__(
        self,
        settings: PersonaSettings,
        supports: list[int],
        steps: list[int],
        queries: int,
        people: int | None,
        asked: int = 0,
        reply_tokens: int = 32,
    ) -> None:
        self.settings, self.supports, self.steps = settings, supports, steps
        # Inner steps of the meta-trained learner; a run of none gets the first number.
        self.own_steps = settings.inner_steps or steps[0]
        self.queries, self.people = queries, people
        self.asked, self.reply_tokens = asked, reply_tokens
        self.replies: Replies | None = None
        self.losses: Losses = {}
        self.seconds: dict[str, float] = {}
        self._last: tuple[Any, Any, Any] = (None, None, None)

    def table(
        self,
        judged: DialogueCorpus,
        validation: DialogueCorpus,
        rates: list[float],
        folder: Path,
        joint: tuple[PersonaSettings, Path] | None,
    ) -> dict[str, Any]:
        """Losses, perplexities and differences to the meta-trained model."""
        plain = replace(self.settings, learner="maml")
        most = max(self.steps)
        tuner = make_persona_learner(plain, update_rule=Adam(rates[0]))
        tasks = self._tasks(tuner, judged)
        held = self._tasks(tuner, validation)
        if self.asked:
            people = people_of(
                judged,
                self._encode(tuner, judged),
                tasks,
                support=max(self.supports),
                asked=self.asked,
            )
            self.replies = Replies(people, self.reply_tokens)
        self._add("pretrained", tuner, tasks, judged, steps=[0], context=False)
        self._write("pretrained", tuner)
        self._add("pretrained, in context", tuner, tasks, judged, [0], context=True)
        self._write("pretrained, in context", tuner, context=True)
        best = self._best_rate(plain, None, held, validation, rates, most)
        tuner = self._tuner(plain, None, best)
        self._add("fine-tuned a person", tuner, tasks, judged, self.steps)
        self._write(f"fine-tuned a person, {most} steps", tuner, learns=True)
        if joint is not None:
            settings, joint_folder = joint
            settings = replace(settings, learner="maml")
            after = self._best_rate(
                settings, joint_folder, held, validation, rates, most
            )
            tuned = self._tuner(settings, joint_folder, after)
            self._add("tuned on all", tuned, tasks, judged, [0])
            self._write("tuned on all", tuned)
            self._add("tuned on all, in context", tuned, tasks, judged, [0], True)
            self._write("tuned on all, in context", tuned, context=True)
            self._add("tuned on all, then a person", tuned, tasks, judged, self.steps)
            self._write(
                f"tuned on all, then a person, {most} steps", tuned, learns=True
            )
        ours = make_persona_learner(self.settings, inner_steps=self.own_steps)
        load_trained(folder, ours)
        self._add("meta-trained", ours, tasks, judged, [0, *self.steps])
        self._write(f"meta-trained, {self.own_steps} steps", ours, learns=True)
        self._add(
            "meta-trained, in context", ours, tasks, judged, [self.own_steps], True
        )
        self._write("meta-trained, in context", ours, learns=True, context=True)
        if self.replies is not None:
            self.replies.select(_embedding())
        return self._result(best)

    def _write(
        self, name: str, learner: Any, *, learns: bool = False, context: bool = False
    ) -> None:
        if self.replies is not None:
            began = time.monotonic()
            self.replies.write(name, learner, learns=learns, context=context)
            print(f"{name}: replies, {time.monotonic() - began:.0f} s", flush=True)

    def _tuner(self, settings: PersonaSettings, start: Path | None, rate: float) -> Any:
        """Adam on a person's dialogues, from the pretrained model or from a run."""
        learner = make_persona_learner(
            settings, update_rule=Adam(rate), inner_steps=max(self.steps)
        )
        if start is not None:
            load_initial(start, learner.base_learner)
        return learner

    def _tasks(self, learner: Any, corpus: DialogueCorpus) -> list[PersonaTask]:
        encoded = self._encode(learner, corpus)
        found = persona_tasks(
            encoded, most_support=max(self.supports), query=self.queries
        )
        return found[: self.people]

    def _encode(self, learner: Any, corpus: DialogueCorpus) -> Any:
        base = learner.base_learner
        return encode_dialogues(
            corpus,
            base.tokenize,
            base.chat_template,
            max_length=self.settings.max_length,
            show_persona=self.settings.show_persona,
        )

    def _scorer(self, learner: Any, corpus: DialogueCorpus) -> PersonaScorer:
        """The scorer of a learner, of all the steps that anything is asked after.

        Each has to be traced, which takes longer than most of what it is asked, so a
        learner's is kept until another learner is scored.
        """
        if self._last[:2] != (learner, corpus):
            steps = max(self.own_steps, *self.steps)
            scorer = PersonaScorer(learner, self._encode(learner, corpus), steps)
            self._last = (learner, corpus, scorer)
        return self._last[2]

    def _add(
        self,
        name: str,
        learner: Any,
        tasks: list[PersonaTask],
        corpus: DialogueCorpus,
        steps: Iterable[int],
        context: bool = False,
    ) -> None:
        steps = list(steps)
        began = time.monotonic()
        scorer = self._scorer(learner, corpus)
        # Without steps and context the number of dialogues makes no difference.
        same = steps == [0] and not context
        for support in self.supports[:1] if same else self.supports:
            for task in tasks:
                every = (
                    [scorer.start()]
                    if steps == [0]
                    else scorer.adapted(task.support[:support])
                )
                for step in steps:
                    loss = scorer.loss(every[step], task, support if context else 0)
                    label = name if len(steps) == 1 else f"{name}, {step} steps"
                    for k in self.supports if same else [support]:
                        self.losses.setdefault(label, {}).setdefault(k, []).append(loss)
        self.seconds[name] = round(time.monotonic() - began, 1)
        print(f"{name}: {self.seconds[name]:.0f} s", flush=True)

    def _best_rate(
        self,
        settings: PersonaSettings,
        start: Path | None,
        tasks: list[PersonaTask],
        corpus: DialogueCorpus,
        rates: list[float],
        most: int,
    ) -> float:
        """The rate of fine-tuning that does best on validation people."""
        if len(rates) == 1:
            return rates[0]
        support = self.supports[len(self.supports) // 2]
        found = {}
        for rate in rates:
            scorer = self._scorer(self._tuner(settings, start, rate), corpus)
            losses = [
                scorer.loss(scorer.adapted(task.support[:support])[most], task)
                for task in tasks
            ]
            found[rate] = float(np.mean(losses))
            print(
                f"fine-tuning at {rate:g}: {math.exp(found[rate]):.1f} (validation)",
                flush=True,
            )
        return min(found, key=lambda rate: found[rate])

    def _result(self, rate: float) -> dict[str, Any]:
        ours = f"meta-trained, {self.settings.inner_steps} steps"
        reference = self.losses.get(ours) or self.losses["meta-trained, in context"]
        differences: dict[str, dict[int, str]] = {}
        for name, by_support in self.losses.items():
            for k, losses in by_support.items():
                gap = np.array(losses) - np.array(reference[k])
                mean, half = mean_and_half_interval(gap)
                differences.setdefault(name, {})[k] = f"{mean:+.3f} ± {half:.3f}"
        return {
            "fine_tuning_rate": rate,
            "seconds": self.seconds,
            "perplexity": {
                name: {k: str(perplexity_of(losses)) for k, losses in row.items()}
                for name, row in self.losses.items()
            },
            "loss_above_meta_trained": differences,
            "losses": self.losses,
            **({} if self.replies is None else {"replies": self.replies.result()}),
        }


def _embedding() -> Any:
    """From texts to vectors of the default text encoder."""
    return Client(LearnerTransport(default_learner())).embed
