"""How many cases Hypothesis tries: some in the suite, thousands in `make fuzz`."""

import os
from collections.abc import Callable
from typing import Any

import pytest

hypothesis = pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

TIMES = int(os.environ.get("MAML_TF_FUZZ_TIMES", "1"))

# What people type: mixed scripts, emoji, right-to-left, combining and control
# characters, halves of characters, blanks of all kinds, long ones.
AWKWARD = st.sampled_from(
    [
        *("", " ", "\t\n", "\u3000", "\u200b", "\ufeff", "\0", "a\0b", "\u2028"),
        *(
            "שלום עולם",
            "مرحبا",
            "\u202eabc\u202c",
            "你好",
            "안녕",
            "नमस्ते",
            "ไทย",
            "Ω≈ç",
        ),
        *("👩‍👩‍👧‍👦", "🇩🇪", "e\u0301", "Z" + "\u0335" * 40, "\ud800", "a\udfffb"),
        *("(none)", "[UNK]", "[PAD]", "##ing", "<script>", "a" * 3000, "x " * 900),
    ]
)
TEXT = st.one_of(st.text(max_size=20), AWKWARD, st.sampled_from(["on", "off", "up"]))


def fuzz(cases: int) -> Callable[[Any], Any]:
    """Marks a test and lets Hypothesis try so many cases, in `make fuzz` many times it.

    In the suite they are the same at every run.
    """
    chosen = settings(
        max_examples=cases * TIMES,
        deadline=None,
        derandomize=TIMES == 1,
        database=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
        ],
    )
    return lambda test: pytest.mark.fuzz(chosen(test))
