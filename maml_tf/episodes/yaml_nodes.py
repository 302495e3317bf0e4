"""YAML as the strings that were written, with the line of each."""

from pathlib import Path
from typing import TYPE_CHECKING

from maml_tf.episodes.corpus import CorpusError

if TYPE_CHECKING:
    import yaml

NULLS = {"", "~", "null", "Null", "NULL"}


def compose(text: str, path: Path) -> "yaml.Node | None":
    """The YAML document as nodes, whose scalars are the strings that were written.

    Loading would make booleans of `yes`, `on` and `no`, and numbers of other names.
    """
    import yaml

    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}," if mark else ""
        raise CorpusError(f"{path}{line} is not YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise CorpusError(f"{path} is not YAML: {reason:.120}.") from error
    except RecursionError as error:
        raise CorpusError(f"{path} is nested too deep to be read.") from error
    except ValueError as error:  # an escape beyond the last character of Unicode
        raise CorpusError(f"{path} is not YAML: {error!s:.120}.") from error


def place_of(node: "yaml.Node", path: Path) -> str:
    """File and line of a node, for messages."""
    return f"{path}, line {node.start_mark.line + 1},"


def fields_of(node: "yaml.Node", path: Path) -> "dict[str, yaml.Node]":
    """The values of a mapping by their names, of which none stands twice."""
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if key.id != "scalar":
            continue
        if key.value in found:
            raise CorpusError(
                f"{place_of(key, path)} names {key.value!r:.40} a second time in one "
                "block; keep one of them."
            )
        found[key.value] = value
    return found


def is_null(node: "yaml.Node") -> bool:
    """Whether a node says that nothing is there."""
    # Quoted, such a word is a text.
    return node.id == "scalar" and node.style is None and node.value in NULLS
