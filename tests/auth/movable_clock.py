"""A clock for tests that stands still until it is advanced."""

from datetime import datetime, timedelta

from weconnect import clock


class MovableClock:
    """A replacement for `clock.now`: patch that function with this object's `now`."""

    def __init__(self) -> None:
        self.time = clock.now()

    def now(self) -> datetime:
        return self.time

    def advance(self, **by: float) -> None:
        """Advance the time by days, hours, minutes or seconds."""
        self.time += timedelta(**by)
