"""Windows of rate limits, and the headers that show them to a caller (RateLimit of the IETF draft)."""

from collections.abc import Sequence
from dataclasses import dataclass

SECONDS_BY_UNIT = {"minute": 60, "hour": 3_600, "day": 86_400}


@dataclass(frozen=True)
class RateWindow:
    """One limit, the requests that remain of it, and the seconds until it starts again."""

    unit: str
    limit: int
    remaining: int
    reset_seconds: int

    @property
    def policy(self) -> str:
        """Return the limit with the length of its window, such as `600;w=60`."""
        return f"{self.limit};w={SECONDS_BY_UNIT[self.unit]}"


def build_headers(windows: Sequence[RateWindow], policies: Sequence[str]) -> dict[str, str]:
    """Return the RateLimit headers: the limit with the fewest requests left, and all limits as the policy."""
    nearest = min(windows, key=lambda window: (window.remaining, -window.reset_seconds))
    return {
        "RateLimit-Limit": str(nearest.limit),
        "RateLimit-Remaining": str(nearest.remaining),
        "RateLimit-Reset": str(nearest.reset_seconds),
        "RateLimit-Policy": ", ".join(policies),
    }
