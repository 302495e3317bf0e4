"""The built-in corpus: random walks through Home Assistant's sentence templates."""

import random
from typing import Any

from maml_tf.episodes.corpus import Corpus, CorpusError
from maml_tf.episodes.reading_report import report_on
from maml_tf.episodes.same_text import text_key
from maml_tf.episodes.slot_values import Values, values_of

ROWS_PER_CLASS = 120


def read_home_assistant_intents(languages: str = "en", *, seed: int = 0) -> Corpus:
    """Sentences of the `home_assistant_intents` package, an intent a class.

    The templates' full product is about ten million sentences in English, so each
    template is walked at random. Template names keep sentences of one template on one
    side of an episode.

    Args:
        languages: codes joined by commas, or `all`. With several, the class is
            `LANGUAGE/INTENT`; the group is always the language.
        seed: fixes the walks.

    Raises:
        CorpusError: for a language the package does not carry.
    """
    import home_assistant_intents

    known = home_assistant_intents.get_languages()
    codes = sorted(known) if languages == "all" else languages.split(",")
    rows: list[tuple[str, str, str, str]] = []
    for code in codes:
        content = home_assistant_intents.get_intents(code) if code in known else None
        if content is None:
            raise CorpusError(
                f"home_assistant_intents has no language {code!r}; it has "
                f"{', '.join(sorted(known))}."
            )
        for intent, blocks in sorted(content["intents"].items()):
            label = intent if len(codes) == 1 else f"{code}/{intent}"
            for text, template in _walk_intent(
                content, blocks, values_of(code), f"{seed}/{label}"
            ):
                rows.append((text, label, code, f"{label}/{template}"))
    # A sentence that two intents of a language make tells nothing of either.
    labels: dict[tuple[str, str], set[str]] = {}
    for text, label, code, _ in rows:
        labels.setdefault((code, text_key(text)), set()).add(label)
    kept = [row for row in rows if len(labels[row[2], text_key(row[0])]) == 1]
    name = f"home_assistant_intents:{languages}"
    left = len(rows) - len(kept)
    texts, classes, groups, templates = zip(*kept, strict=True)
    return Corpus(
        texts,
        classes,
        groups,
        templates,
        name=name,
        report=report_on(
            list(zip(texts, classes, strict=True)),
            name,
            skipped={"sentences that two intents share": left} if left else {},
        ),
    )


def _walk_intent(
    content: dict, blocks: dict, values: Values, seed: str
) -> list[tuple[str, str]]:
    """Distinct sentences of one intent, each with the name of its template."""
    templates = [
        (f"{number}/{index}", sentence, block)
        for number, block in enumerate(blocks.get("data", []))
        for index, sentence in enumerate(block.get("sentences", []))
    ]
    generator = random.Random(seed)
    found: dict[str, str] = {}
    for _ in range(3):
        for name, sentence, block in templates:
            walker = _Walker(content, block, values, generator)
            for _ in range(1 + ROWS_PER_CLASS // len(templates)):
                if len(found) < ROWS_PER_CLASS and (text := walker.walk(sentence)):
                    found.setdefault(text, name)
    return list(found.items())


class _Walker:
    """One random sentence after another of a template with its rules and lists."""

    def __init__(
        self, content: dict, block: dict, values: Values, generator: random.Random
    ) -> None:
        self.rules = {
            **content.get("expansion_rules", {}),
            **block.get("expansion_rules", {}),
        }
        self.lists = {**content.get("lists", {}), **block.get("lists", {})}
        self.values, self.random = values, generator

    def walk(self, sentence: str) -> str:
        text = " ".join(self._expand(_parsed(sentence), 0).split())
        return text.strip(" ,;")

    def _expand(self, expression: Any, depth: int) -> str:
        from hassil import expression as parts

        if depth > 30:  # rules that name each other would go on for ever
            return ""
        if isinstance(expression, parts.TextChunk):
            return expression.original_text
        if isinstance(expression, parts.Alternative):
            return self._expand(self.random.choice(expression.items), depth + 1)
        if isinstance(expression, parts.Group):
            items = list(expression.items)
            if isinstance(expression, parts.Permutation):
                self.random.shuffle(items)
            return "".join(self._expand(item, depth + 1) for item in items)
        if isinstance(expression, parts.RuleReference):
            rule = self.rules.get(expression.rule_name)
            return "" if rule is None else self._expand(_parsed(rule), depth + 1)
        return self._slot(expression, depth)

    def _slot(self, reference: Any, depth: int) -> str:
        name = reference.list_name
        described = self.lists.get(name, {})
        if name in self.values:
            return self.random.choice(self.values[name])
        if "range" in described:
            bounds = described["range"]
            low, high, by = bounds["from"], bounds["to"], bounds.get("step", 1)
            return str(self.random.randrange(int(low), int(high) + 1, int(by) or 1))
        if described.get("values"):
            value = self.random.choice(described["values"])
            value = value["in"] if isinstance(value, dict) else value
            return self._expand(_parsed(str(value)), depth + 1)
        if ".." in name:
            low, high = name.split(",")[0].split("..")
            return str(self.random.randint(int(low), int(high)))
        return self.random.choice(self.values["anything"])


_CACHE: dict[str, Any] = {}


def _parsed(text: str) -> Any:
    if text not in _CACHE:
        from hassil import parse_sentence

        _CACHE[text] = parse_sentence(text).expression
    return _CACHE[text]
