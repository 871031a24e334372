"""The extent of the long tests: `make soak` goes further than `make test`, which is to end within minutes."""

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SOAK = bool(os.environ.get("SOAK"))


def example_count(number: int) -> int:
    """Return the number of examples that a property is tried on."""
    return number * 5 if SOAK else number


def sample_cases(cases: Sequence[T], every: int = 2) -> Sequence[T]:
    """Return all cases for `make soak`, else the first of every two, or more."""
    return cases if SOAK else cases[::every]
