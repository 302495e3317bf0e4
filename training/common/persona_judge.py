"""The methods that a persona evaluation compares, each a loss for each person."""

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from maml_tf.default_learner import default_learner
from maml_tf.episodes.dialogue_tokens import EncodedDialogues, encode_dialogues
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


class People(NamedTuple):
    """Dialogues of people, and a task of each."""

    corpus: DialogueCorpus
    encoded: EncodedDialogues
    tasks: list[PersonaTask]


class Judge:
    """Runs every method on the same people and the same dialogues.

    Args:
        settings: of the run that is judged.
        supports: numbers of dialogues to learn from.
        steps: numbers of inner steps.
        queries: dialogues to foretell.
        people: the most people that are judged at each number of dialogues, or None.
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
        self.tuning: dict[str, dict[str, float]] = {}
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
        ours = make_persona_learner(self.settings, inner_steps=self.own_steps)
        test, held = (self._of(ours, corpus) for corpus in (judged, validation))
        if self.asked:
            people = people_of(
                judged,
                test.encoded,
                self._who_have(test, self.middle),
                support=self.middle,
                asked=self.asked,
            )
            self.replies = Replies(people, self.reply_tokens)
        settings = replace(self.settings, learner="maml")
        self._plain(
            "pretrained", "fine-tuned a person", settings, None, test, held, rates
        )
        if joint is not None:
            settings = replace(joint[0], learner="maml")
            names = "tuned on all", "tuned on all, then a person"
            self._plain(*names, settings, joint[1], test, held, rates)
        load_trained(folder, ours)
        name = "meta-trained"
        self._add(name, ours, test, [0, *self.steps])
        self._write(f"{name}, {self.own_steps} steps", ours, learns=True)
        self._add(f"{name}, in context", ours, test, [self.own_steps], context=True)
        self._write(f"{name}, in context", ours, learns=True, context=True)
        if self.replies is not None:
            self.replies.select(_embedding())
        return self._result()

    def _plain(
        self,
        name: str,
        tuned_name: str,
        settings: PersonaSettings,
        start: Path | None,
        test: People,
        held: People,
        rates: list[float],
    ) -> None:
        """A model as it is, with dialogues in context, and fine-tuned for each person.

        Args:
            name: of the model.
            tuned_name: of the model after fine-tuning.
            settings: of its learner.
            start: the run whose weights it has; None for the pretrained ones.
            test: whom it is judged by.
            held: validation people, who choose the rate and the steps.
            rates: Adam's, to choose from.
        """
        most = max(self.steps)
        rate, steps = self._best_tuning(settings, start, held, rates)
        self.tuning[tuned_name] = {"rate": rate, "steps": steps}
        model = self._tuner(settings, start, rate, most)
        self._add(name, model, test, [0])
        self._write(name, model)
        self._add(f"{name}, in context", model, test, [0], context=True)
        self._write(f"{name}, in context", model, context=True)
        self._add(tuned_name, model, test, self.steps)
        if self.replies is not None:
            # Another learner is another model in memory, and traced anew.
            tuner = (
                model if steps == most else self._tuner(settings, start, rate, steps)
            )
            self._write(f"{tuned_name}, {steps} steps", tuner, learns=True)

    def _write(
        self, name: str, learner: Any, *, learns: bool = False, context: bool = False
    ) -> None:
        if self.replies is not None:
            began = time.monotonic()
            self.replies.write(name, learner, learns=learns, context=context)
            print(f"{name}: replies, {time.monotonic() - began:.0f} s", flush=True)

    def _tuner(
        self, settings: PersonaSettings, start: Path | None, rate: float, steps: int
    ) -> Any:
        """Adam on a person's dialogues, from the pretrained model or from a run."""
        learner = make_persona_learner(
            settings, update_rule=Adam(rate), inner_steps=steps
        )
        if start is not None:
            load_initial(start, learner.base_learner)
        return learner

    @property
    def middle(self) -> int:
        """The number of dialogues that rates are chosen at and people reply after."""
        return middle_of(self.supports)

    def _of(self, learner: Any, corpus: DialogueCorpus) -> People:
        base = learner.base_learner
        encoded = encode_dialogues(
            corpus,
            base.tokenize,
            base.chat_template,
            max_length=self.settings.max_length,
            show_persona=self.settings.show_persona,
        )
        tasks = persona_tasks(
            encoded, most_support=max(self.supports), query=self.queries
        )
        return People(corpus, encoded, tasks)

    def _who_have(self, people: People, support: int) -> list[PersonaTask]:
        """Those who are judged after so many dialogues."""
        return [t for t in people.tasks if len(t.support) >= support][: self.people]

    def _scorer(self, learner: Any, people: People) -> PersonaScorer:
        """The scorer of a learner, of all the steps that anything is asked after.

        Each has to be traced, which takes longer than most of what it is asked, so a
        learner's is kept until another learner is scored.
        """
        if self._last[:2] != (learner, people.corpus):
            steps = max(self.own_steps, *self.steps)
            scorer = PersonaScorer(learner, people.encoded, steps)
            self._last = (learner, people.corpus, scorer)
        return self._last[2]

    def _add(
        self,
        name: str,
        learner: Any,
        people: People,
        steps: Iterable[int],
        context: bool = False,
    ) -> None:
        steps = list(steps)
        began = time.monotonic()
        scorer = self._scorer(learner, people)
        start = scorer.start()
        known: dict[tuple[str, int, int], float] = {}
        for support in self.supports:
            for task in self._who_have(people, support):
                learned = task.support[:support]
                every = scorer.adapted(learned) if any(steps) else [start]
                for step in steps:
                    # Without steps and context their number makes no difference.
                    case = (task.group, step, support if step or context else 0)
                    if case not in known:
                        before = support if context else 0
                        known[case] = scorer.loss(every[step], task, before)
                    label = name if len(steps) == 1 else f"{name}, {step} steps"
                    row = self.losses.setdefault(label, {})
                    row.setdefault(support, []).append(known[case])
        self.seconds[name] = round(time.monotonic() - began, 1)
        print(f"{name}: {self.seconds[name]:.0f} s", flush=True)

    def _best_tuning(
        self,
        settings: PersonaSettings,
        start: Path | None,
        people: People,
        rates: list[float],
    ) -> tuple[float, int]:
        """The rate and steps of fine-tuning that do best on validation people."""
        most = max(self.steps)
        if len(rates) == 1:
            return rates[0], most
        found: dict[tuple[float, int], float] = {}
        for rate in rates:
            scorer = self._scorer(self._tuner(settings, start, rate, most), people)
            losses: dict[int, list[float]] = {step: [] for step in self.steps}
            for task in self._who_have(people, self.middle):
                every = scorer.adapted(task.support[: self.middle])
                for step, of_step in losses.items():
                    of_step.append(scorer.loss(every[step], task))
            found |= {(rate, step): float(np.mean(losses[step])) for step in losses}
            told = ", ".join(
                f"{math.exp(found[rate, step]):.1f} after {step}" for step in self.steps
            )
            print(f"fine-tuning at {rate:g}: {told} steps (validation)", flush=True)
        return min(found, key=lambda choice: found[choice])

    def _result(self) -> dict[str, Any]:
        ours = f"meta-trained, {self.settings.inner_steps} steps"
        reference = self.losses.get(ours) or self.losses["meta-trained, in context"]
        differences: dict[str, dict[int, str]] = {}
        for name, by_support in self.losses.items():
            for k, losses in by_support.items():
                gap = np.array(losses) - np.array(reference[k])
                mean, half = mean_and_half_interval(gap)
                differences.setdefault(name, {})[k] = f"{mean:+.3f} ± {half:.3f}"
        return {
            "people": {k: len(v) for k, v in reference.items()},
            "middle_support": self.middle,
            "fine_tuning": self.tuning,
            "seconds": self.seconds,
            "perplexity": {
                name: {k: str(perplexity_of(losses)) for k, losses in row.items()}
                for name, row in self.losses.items()
            },
            "loss_above_meta_trained": differences,
            "losses": self.losses,
            **({} if self.replies is None else {"replies": self.replies.result()}),
        }


def middle_of(supports: list[int]) -> int:
    """The middle number, the larger of two.

    Example:

    >>> middle_of([1, 3, 5, 10])
    5
    """
    return supports[len(supports) // 2]


def _embedding() -> Any:
    """From texts to vectors of the default text encoder."""
    return Client(LearnerTransport(default_learner())).embed
