"""Responses in Rasa's YAML, and a bot written as such a file.

responses:
  utter_greet:
  - text: "Hello!"
  - text: "Hi {name}."
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from maml_tf.episodes.corpus import CorpusError
from maml_tf.episodes.fields import clean_text
from maml_tf.episodes.text_files import read_text_file
from maml_tf.episodes.yaml_nodes import compose, fields_of, is_null, place_of

UTTER = "utter_"  # what the name of a response begins with


def read_rasa_responses(path: Path) -> list[tuple[str, str]]:
    """The texts of all responses of a file, each with the name it stands under.

    Buttons, pictures and custom payloads are left aside.

    Raises:
        CorpusError: naming the file, the line and what is wrong there.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "domain.yml")
    >>> _ = path.write_text(rasa_text([], [("greet", ["Hello!"])]))
    >>> read_rasa_responses(path)
    [('utter_greet', 'Hello!')]
    """
    text, _ = read_text_file(path)
    root = compose(text, path)
    sections = fields_of(root, path) if root and root.id == "mapping" else {}
    section = sections.get("responses")
    if section is None or is_null(section):
        return []
    if section.id != "mapping":
        raise CorpusError(
            f"{place_of(section, path)} has no names under responses; begin each with "
            "`utter_INTENT:`."
        )
    found = []
    for name, entries in fields_of(section, path).items():
        if is_null(entries):
            continue
        if entries.id != "sequence":
            raise CorpusError(
                f"{place_of(entries, path)} has no list of responses; write "
                '`- text: "…"` for each.'
            )
        for entry in entries.value:
            fields = fields_of(entry, path) if entry.id == "mapping" else {}
            said = fields.get("text")
            if said is not None and said.id == "scalar" and not is_null(said):
                place = place_of(said, path)
                found.append((name, clean_text(said.value, place, "response")))
    return found


def rasa_text(
    examples: Iterable[tuple[str, Sequence[str]]],
    responses: Iterable[tuple[str, Sequence[str]]],
) -> str:
    r"""A file of Rasa's with these examples and responses of intents.

    Example:

    >>> print(rasa_text([("greet", ["hi"])], [("greet", ["Hello!"])]), end="")
    version: "3.1"
    nlu:
    - intent: greet
      examples: |
        - hi
    responses:
      utter_greet:
      - text: "Hello!"
    """
    lines = ['version: "3.1"', "nlu:"]
    for intent, texts in examples:
        if not texts:
            continue
        lines.append(f"- intent: {_scalar(intent)}")
        if all(text.isprintable() for text in texts):
            lines += ["  examples: |", *(f"    - {text}" for text in texts)]
        else:  # line breaks, and what YAML takes for them
            lines += ["  examples:", *(f"  - text: {_quoted(text)}" for text in texts)]
    lines.append("responses:")
    for intent, texts in responses:
        if texts:
            lines.append(f"  {_scalar(UTTER + intent)}:")
            lines += [f"  - text: {_quoted(text)}" for text in texts]
    return "\n".join(lines) + "\n"


def _scalar(value: str) -> str:
    import yaml

    written = yaml.safe_dump(value, allow_unicode=True, width=10**9)
    return written.removesuffix("...\n").strip()


def _quoted(value: str) -> str:
    import yaml

    return yaml.safe_dump(
        value, allow_unicode=True, default_style='"', width=10**9
    ).strip()
