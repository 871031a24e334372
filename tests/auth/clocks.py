"""A clock for tests that stands until it is moved."""

from datetime import datetime, timedelta

from weconnect import clock


class Clock:
    """Put its `now` in the place of `clock.now`."""

    def __init__(self) -> None:
        self.time = clock.now()

    def now(self) -> datetime:
        return self.time

    def move(self, **by: float) -> None:
        """Move on by days, hours, minutes or seconds."""
        self.time += timedelta(**by)
