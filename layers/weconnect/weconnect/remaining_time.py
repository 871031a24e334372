"""The time that is left to answer a request, before the platform ends the function that handles it."""

import math
import time
from contextvars import ContextVar

ANSWER_SECONDS = 2
_ends_at: ContextVar[float] = ContextVar("ends_at", default=math.inf)


def begin(seconds: float) -> None:
    """Note that the function has so much time from now on."""
    _ends_at.set(time.monotonic() + seconds)


def get_seconds() -> float:
    """Return for how long a request may wait and still be answered: infinite outside of a request."""
    return _ends_at.get() - time.monotonic() - ANSWER_SECONDS
