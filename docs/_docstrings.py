"""Shows the runnable examples of docstrings as code.

The reader of docstrings wants a section `Examples:` with its lines indented; ours is
called `Example:`, since most have one, and is not, to leave the code some width.
"""

import textwrap
from typing import Any

from griffe import Extension, Object

OURS = "Example:\n\n>>>"


class RunnableExamples(Extension):
    """Rewrites the section for the reader."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called with every object when it has been read."""
        if obj.docstring is not None and OURS in obj.docstring.value:
            before, code = obj.docstring.value.split(OURS, 1)
            code = textwrap.indent(f">>>{code}", "    ")
            obj.docstring.value = f"{before}Examples:\n{code}"
