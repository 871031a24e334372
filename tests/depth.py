"""How far the long tests go: `make soak` goes further than `make test`, which is to end within minutes."""

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SOAK = bool(os.environ.get("SOAK"))


def examples(number: int) -> int:
    """How many examples a property is tried on."""
    return number * 5 if SOAK else number


def some(cases: Sequence[T]) -> Sequence[T]:
    """All cases, or every second one."""
    return cases if SOAK else cases[::2]
