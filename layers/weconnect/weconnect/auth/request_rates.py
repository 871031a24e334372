"""Limits of requests a minute, of an organization and of each of its users, for tokens and API keys alike.

They keep one tenant from taking the deployment's own limits, and are approximate: each process of the authorizer counts
in memory and adds what it has counted to one row of the organization and the minute, whose answer tells it the sums of
all processes. It does so after a twentieth of what is left of the limit (4 to 50 requests), or after 5 seconds and 4
requests; so most requests need no call. A process may let through what it has not added yet, and what it has not added
at the end of a minute is not counted. A count that cannot be added refuses nobody.

A request with valid credentials that is refused, such as for another organization, counts for the organization of the
credentials. Operators are not counted: they look after tenants whose limit is used up. Requests without valid
credentials have no organization; the gateway's own limit, and those of sign-in and registration by address, are theirs.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from weconnect import aws, clock
from weconnect.auth.errors import RateLimited
from weconnect.auth.rate_windows import RateWindow, build_headers
from weconnect.identity import keys, request_limits
from weconnect.redaction import get_plain_logger
from weconnect.settings import settings

_logger = get_plain_logger(__name__)
FLUSH_SECONDS = 5
MIN_FLUSHED = 4
MAX_FLUSHED = 50
FLUSHED_SHARE = 20
LIMITS_SECONDS = 300
KEEP_SECONDS = 600
MAX_ORGANIZATIONS = 1_000
MAX_USERS = 1_000
"""Users of one organization that a process counts apart in a minute; further ones count for the organization only."""

NO_LIMITS = (-1, -1)


@dataclass
class OrganizationCounts:
    """The requests of an organization in a minute, as far as this process knows them.

    `pending` are its own by user, which it has not added to the row; `total` and `total_by_user` are the row's.
    """

    minute: int = 0
    pending: Counter[str] = field(default_factory=Counter)
    total: int = 0
    total_by_user: dict[str, int] = field(default_factory=dict)
    flushed_at: int = 0
    has_failed: bool = False
    limits: tuple[int, int] | None = None
    limits_read_at: int = 0

    def begin_minute(self, minute: int) -> None:
        """Forget the counts of an earlier minute."""
        if minute != self.minute:
            self.minute, self.total = minute, 0
            self.pending, self.total_by_user = Counter(), {}

    def list_windows(self, user_id: str, moment: int) -> list[RateWindow]:
        """Return the windows of the organization and of a user, as far as they are limited."""
        used = self.total + self.pending.total(), self.total_by_user.get(user_id, 0) + self.pending[user_id]
        return [
            RateWindow("minute", limit, max(0, limit - number), 60 - moment % 60)
            for limit, number in zip(self.limits or NO_LIMITS, used, strict=True)
            if limit >= 0
        ]

    def is_due(self, windows: list[RateWindow], moment: int) -> bool:
        """Return whether the pending requests are to be added to the row now."""
        pending, is_idle = self.pending.total(), moment - self.flushed_at >= FLUSH_SECONDS
        if self.has_failed and not is_idle:
            return False
        left = min((window.remaining for window in windows), default=0)
        enough = max(MIN_FLUSHED, min(MAX_FLUSHED, left // FLUSHED_SHARE))
        return pending >= (MIN_FLUSHED if is_idle else enough)


_counts_by_organization: dict[str, OrganizationCounts] = {}


def count_request(context: dict[str, str]) -> dict[str, str]:
    """Count the request of an identified caller and return the RateLimit headers; none for one without a limit.

    `context` is that of the authorizer. Raises RateLimited when a limit is used up.
    """
    if context["operator"]:
        return {}
    moment, user_id = clock.epoch_seconds(), context["userId"]
    counts = _find_counts(context["organizationId"])
    counts.begin_minute(moment // 60)
    windows = counts.list_windows(user_id, moment)
    if full := [window for window in windows if window.remaining == 0]:
        raise _build_rate_limited(full, windows, is_users=full == windows[1:])
    is_known = user_id in counts.pending or len(counts.pending) < MAX_USERS
    counts.pending[user_id if is_known else ""] += 1
    if counts.is_due(windows, moment):
        _flush(context["organizationId"], counts, moment)
    windows = counts.list_windows(user_id, moment)
    return build_headers(windows, [window.policy for window in windows]) if windows else {}


def _find_counts(organization_id: str) -> OrganizationCounts:
    """Return the counts of an organization; the one that was seen first makes room when there are too many."""
    if organization_id not in _counts_by_organization:
        if len(_counts_by_organization) >= MAX_ORGANIZATIONS:
            del _counts_by_organization[next(iter(_counts_by_organization))]
        _counts_by_organization[organization_id] = OrganizationCounts()
    return _counts_by_organization[organization_id]


def _flush(organization_id: str, counts: OrganizationCounts, moment: int) -> None:
    """Add the pending requests to the organization's row of the minute and learn its sums; a failure is logged."""
    counts.flushed_at, counts.has_failed = moment, True
    added = dict(counts.pending.most_common(MAX_FLUSHED))
    names_by_user = {user_id: f"u{user_id.replace('-', '')}" for user_id in added if user_id}
    try:
        if counts.limits is None or moment - counts.limits_read_at >= LIMITS_SECONDS:
            counts.limits, counts.limits_read_at = _read_limits(organization_id), moment
        if counts.limits == NO_LIMITS:
            counts.pending.clear()
            counts.has_failed = False
            return
        item = _send(organization_id, counts.minute, added, names_by_user)
    except Exception:
        _logger.warning("requests not counted", extra={"organization_id": organization_id}, exc_info=True)
        return
    counts.pending -= Counter(added)
    counts.has_failed = False
    counts.total = int(item["total"]["N"])
    users = {user_id: int(item[name]["N"]) for user_id, name in names_by_user.items()}
    counts.total_by_user = (counts.total_by_user if len(counts.total_by_user) < MAX_USERS else {}) | users


def _send(
    organization_id: str, minute: int, added: dict[str, int], names_by_user: dict[str, str]
) -> dict[str, Any]:
    """Add counts by user to the row of a minute and return the changed attributes, in DynamoDB's JSON."""
    pk, sk = keys.request_counts(organization_id, minute)
    units = {f":{name}": added[user_id] for user_id, name in names_by_user.items()}
    units |= {":total": sum(added.values()), ":ttl": minute * 60 + KEEP_SECONDS}
    sums = ", ".join(f"{name} :{name}" for name in ["total", *names_by_user.values()])
    request = {
        "TableName": settings.table_name,
        "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
        "UpdateExpression": f"SET kind = :kind, #ttl = :ttl ADD {sums.replace('total', '#total', 1)}",
        "ExpressionAttributeNames": {"#ttl": "ttl", "#total": "total"},
        "ExpressionAttributeValues": {name: {"N": str(number)} for name, number in units.items()}
        | {":kind": {"S": "REQUESTS"}},
        "ReturnValues": "UPDATED_NEW",
    }
    attributes: dict[str, Any] = aws.call("dynamodb", "UpdateItem", request, attempts=1)["Attributes"]
    return attributes


def _read_limits(organization_id: str) -> tuple[int, int]:
    """Return the limits of an organization and of each of its users; none for one that does not exist."""
    pk, sk = keys.organization(organization_id)
    request = {
        "TableName": settings.table_name,
        "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
        "ProjectionExpression": "#plan, planLimits",
        "ExpressionAttributeNames": {"#plan": "plan"},
    }
    item = aws.call("dynamodb", "GetItem", request).get("Item")
    if not item:
        return NO_LIMITS
    own = json.loads(item.get("planLimits", {}).get("S") or "null") or {}
    return request_limits.choose_limits(item.get("plan", {}).get("S", ""), own)


def _build_rate_limited(full: list[RateWindow], windows: list[RateWindow], *, is_users: bool) -> RateLimited:
    """Return the RateLimited problem of a limit that is used up: the user's own, or the organization's."""
    window = full[0]
    owner = "This user's" if is_users else "The organization's"
    return RateLimited(
        f"{owner} limit of {window.limit} requests per minute is used up. "
        f"Try again in {window.reset_seconds} seconds.",
        headers={
            "Retry-After": str(window.reset_seconds),
            **build_headers(full, [each.policy for each in windows]),
        },
    )
