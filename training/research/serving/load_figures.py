"""Figures of a server under load: how long answers took, and its memory."""

import re
from pathlib import Path

import numpy as np


def summary(seconds: list[float]) -> dict[str, float]:
    """How many, with the median and 99th percentile in milliseconds.

    Example:

    >>> summary([0.01, 0.03])["median"]
    20.0
    """
    if not seconds:
        return {"count": 0}
    return {
        "count": len(seconds),
        "median": round(float(np.median(seconds)) * 1000, 1),
        "p99": round(float(np.quantile(seconds, 0.99)) * 1000, 1),
    }


def resident_mib(process: int) -> float:
    """What a process holds in memory, in MiB; 0 once it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return round(int(found[1]) / 1024, 1) if found else 0.0
