"""The methods that a persona evaluation compares, each a loss for each person."""

import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from maml_tf.default_learner import default_learner
from maml_tf.episodes.dialogue_tokens import EncodedDialogues, encode_dialogues
from maml_tf.episodes.dialogues import DialogueCorpus
from maml_tf.evaluation.perplexity import PersonaScorer, PersonaTask, persona_tasks
from maml_tf.inner_loop.update_rules import Adam
from maml_tf.serving import Client
from maml_tf.serving.learner_transport import LearnerTransport

from .persona_flags import PersonaSettings, make_persona_learner
from .persona_losses import Losses, summary_of
from .persona_replies import SELECTED, Replies, people_of
from .persona_weights import load_initial, load_trained
from .run import Run, weights_digest


class People(NamedTuple):
    """Dialogues of people, and a task of each."""

    corpus: DialogueCorpus
    encoded: EncodedDialogues
    tasks: list[PersonaTask]


@dataclass(frozen=True)
class Judging:
    """What an evaluation was asked for, beside the runs that it judges.

    Attributes:
        split: which people are judged.
        supports: numbers of dialogues to learn from.
        steps: numbers of inner steps.
        queries: dialogues to foretell.
        people: the most people that are judged at each number of dialogues, or None.
        rates: Adam's, to choose from for fine-tuning.
        replies: dialogues of each person in which replies are written, or 0.
        reply_tokens: the most tokens of a reply.
    """

    split: str
    supports: list[int]
    steps: list[int]
    queries: int
    people: int | None
    rates: list[float]
    replies: int
    reply_tokens: int


class Judge:
    """Runs every method on the same people and the same dialogues.

    What a method came to is kept at once, so that an evaluation that was killed goes on
    behind the last method that it finished.

    Args:
        settings: of the run that is judged.
        judging: what is asked.
        work_dir: keeps what was measured, in a folder of this evaluation's own.
        content: digests of the files that the evaluation depends on.
    """

    def __init__(
        self,
        settings: PersonaSettings,
        judging: Judging,
        work_dir: Path,
        content: Mapping[str, str],
    ) -> None:
        self.settings, self.judging = settings, judging
        self.work_dir, self.content = work_dir, content
        self.supports, self.steps = judging.supports, judging.steps
        # Inner steps of the meta-trained learner; a run of none gets the first number.
        self.own_steps = settings.inner_steps or self.steps[0]
        self.replies: Replies | None = None
        self.losses: Losses = {}
        self.tuning: dict[str, dict[str, float]] = {}
        self.seconds: dict[str, float] = {}
        self._last: tuple[Any, Any, Any] = (None, None, None)

    def table(
        self,
        judged: DialogueCorpus,
        validation: DialogueCorpus,
        folder: Path,
        joint: tuple[PersonaSettings, Path] | None,
    ) -> dict[str, Any]:
        """Losses, perplexities and differences to the meta-trained model."""
        ours = make_persona_learner(self.settings, inner_steps=self.own_steps)
        content = {**self.content, "initial weights": weights_digest(ours)}
        with Run.within(self.work_dir, "judging", self.judging, content) as self.kept:
            self._judge(ours, judged, validation, folder, joint)
        return self._result()

    def forget(self) -> None:
        """Removes what was kept, once the table is written."""
        shutil.rmtree(self.kept.folder)

    def _judge(
        self,
        ours: Any,
        judged: DialogueCorpus,
        validation: DialogueCorpus,
        folder: Path,
        joint: tuple[PersonaSettings, Path] | None,
    ) -> None:
        test, held = (self._of(ours, corpus) for corpus in (judged, validation))
        if self.judging.replies:
            people = people_of(
                judged,
                test.encoded,
                self._who_have(test, self.middle),
                support=self.middle,
                asked=self.judging.replies,
            )
            self.replies = Replies(people, self.judging.reply_tokens)
        settings = replace(self.settings, learner="maml")
        names = "pretrained", "fine-tuned a person"
        self._plain(*names, settings, None, test, held)
        if joint is not None:
            settings = replace(joint[0], learner="maml")
            names = "tuned on all", "tuned on all, then a person"
            self._plain(*names, settings, joint[1], test, held)
        load_trained(folder, ours)
        name = "meta-trained"
        self._add(name, ours, test, [0, *self.steps])
        self._write(f"{name}, {self.own_steps} steps", ours, learns=True)
        self._add(f"{name}, in context", ours, test, [self.own_steps], context=True)
        self._write(f"{name}, in context", ours, learns=True, context=True)
        if self.replies is not None:
            self.replies.add(SELECTED, self.replies.select(_embedding()))

    def _plain(
        self,
        name: str,
        tuned_name: str,
        settings: PersonaSettings,
        start: Path | None,
        test: People,
        held: People,
    ) -> None:
        """A model as it is, with dialogues in context, and fine-tuned for each person.

        Args:
            name: of the model.
            tuned_name: of the model after fine-tuning.
            settings: of its learner.
            start: the run whose weights it has; None for the pretrained ones.
            test: whom it is judged by.
            held: validation people, who choose the rate and the steps.
        """
        most = max(self.steps)
        chosen = self.kept.value(
            f"tuning of {name}", lambda: self._best_tuning(settings, start, held)
        )
        self.tuning[tuned_name] = chosen
        rate, steps = chosen["rate"], chosen["steps"]
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
        if (replies := self.replies) is None:
            return

        def write() -> Any:
            began = time.monotonic()
            written = replies.write(learner, learns=learns, context=context)
            print(f"{name}: replies, {time.monotonic() - began:.0f} s", flush=True)
            return written

        replies.add(name, self.kept.value(f"replies of {name}", write))

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
            encoded, most_support=max(self.supports), query=self.judging.queries
        )
        return People(corpus, encoded, tasks)

    def _who_have(self, people: People, support: int) -> list[PersonaTask]:
        """Those who are judged after so many dialogues."""
        have = [task for task in people.tasks if len(task.support) >= support]
        return have[: self.judging.people]

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
        steps: list[int],
        context: bool = False,
    ) -> None:
        def measure() -> dict[str, Any]:
            began = time.monotonic()
            losses = self._measure(name, learner, people, steps, context)
            seconds = round(time.monotonic() - began, 1)
            print(f"{name}: {seconds:.0f} s", flush=True)
            return {"seconds": seconds, "losses": losses}

        found = self.kept.value(f"losses of {name}", measure)
        self.seconds[name] = found["seconds"]
        for label, row in found["losses"].items():
            self.losses[label] = {int(k): losses for k, losses in row.items()}

    def _measure(
        self, name: str, learner: Any, people: People, steps: list[int], context: bool
    ) -> Losses:
        losses: Losses = {}
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
                    row = losses.setdefault(label, {})
                    row.setdefault(support, []).append(known[case])
        return losses

    def _best_tuning(
        self, settings: PersonaSettings, start: Path | None, people: People
    ) -> dict[str, float]:
        """The rate and steps of fine-tuning that do best on validation people."""
        most, rates = max(self.steps), self.judging.rates
        if len(rates) == 1:
            return {"rate": rates[0], "steps": most}
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
        rate, step = min(found, key=lambda choice: found[choice])
        return {"rate": rate, "steps": step}

    def _result(self) -> dict[str, Any]:
        ours = f"meta-trained, {self.settings.inner_steps} steps"
        reference = ours if ours in self.losses else "meta-trained, in context"
        return {
            "middle_support": self.middle,
            "fine_tuning": self.tuning,
            "seconds": self.seconds,
            **summary_of(self.losses, reference),
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
