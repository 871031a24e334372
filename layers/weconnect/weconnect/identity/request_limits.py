"""The requests a minute that a plan allows; without pydantic, because the authorizer reads them."""

from typing import Any

PLANS = ("free", "starter", "pro", "enterprise")
MAX_REQUESTS_PER_MINUTE = (600, 3_000, 12_000, 120_000)
"""The requests of all callers of an organization, by plan in the order of `PLANS`."""
MAX_USER_REQUESTS_PER_MINUTE = (300, 1_200, 6_000, 60_000)
"""The requests of one user in an organization, their API keys included, by plan."""
MAX_WAITING_CALLERS = (4, 10, 40, 200)
"""The callers of an organization that may wait at the same time, by plan."""


def choose_waiting_callers(plan: str) -> int:
    """Return how many callers of an organization with this plan may wait at the same time."""
    return MAX_WAITING_CALLERS[PLANS.index(plan) if plan in PLANS else 0]


def choose_limits(plan: str, own: dict[str, Any]) -> tuple[int, int]:
    """Return the limits of an organization and of each of its users (-1: none); its `own` ones override the plan's."""
    index = PLANS.index(plan) if plan in PLANS else 0
    return (
        int(own.get("max_requests_per_minute", MAX_REQUESTS_PER_MINUTE[index])),
        int(own.get("max_user_requests_per_minute", MAX_USER_REQUESTS_PER_MINUTE[index])),
    )
