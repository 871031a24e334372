"""Changes that make an API key narrower: it may then do no more than before, from no other address, for no longer.

The manager of an organization may narrow anybody's key. To widen one takes the rank to change its user, because the key
acts as that user, and whoever knows its text acts with it.
"""

import ipaddress
from datetime import datetime

from weconnect.identity.entities import ApiKey, ApiKeyPermissions, RateLimits
from weconnect.identity.permissions import EVERYTHING

FLAGS = ("can_read", "can_write", "can_delete", "can_execute")


def is_narrower(before: ApiKey, after: ApiKey) -> bool:
    """Return whether nothing of `after` exceeds `before`; another name is a change too, and so not narrower."""
    return (
        after.name == before.name
        and (after.is_active <= before.is_active)
        and _are_scopes_within(before.scopes, after.scopes)
        and _are_flags_within(before.permissions, after.permissions)
        and _are_ranges_within(before.permissions.restricted_ips, after.permissions.restricted_ips)
        and _ends_by(before.expires_at, after.expires_at)
        and _are_rates_within(before.rate_limits, after.rate_limits)
    )


def _are_scopes_within(before: list[str], after: list[str]) -> bool:
    return EVERYTHING in before or set(after) <= set(before)


def _are_flags_within(before: ApiKeyPermissions, after: ApiKeyPermissions) -> bool:
    return all(getattr(before, flag) or not getattr(after, flag) for flag in FLAGS)


def _are_ranges_within(before: list[str] | None, after: list[str] | None) -> bool:
    """Return whether each of the later address ranges lies in one of the earlier ones; None is every address."""
    if before is None or after is None:
        return before is None
    earlier = [ipaddress.ip_network(text) for text in before]
    later = [ipaddress.ip_network(text) for text in after]
    return all(_is_in_one_of(network, earlier) for network in later)


def _is_in_one_of(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
    ranges: list[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> bool:
    return any(
        wider.version == network.version
        and int(wider.network_address) <= int(network.network_address)
        and int(network.broadcast_address) <= int(wider.broadcast_address)
        for wider in ranges
    )


def _ends_by(before: datetime | None, after: datetime | None) -> bool:
    """Return whether a key ends no later than before; None never ends."""
    return before is None or (after is not None and after <= before)


def _are_rates_within(before: RateLimits, after: RateLimits) -> bool:
    """Return whether no rate limit is higher than before; without one, any rate is allowed."""
    pairs = [(getattr(before, name), getattr(after, name)) for name in RateLimits.model_fields]
    return all(earlier is None or (later is not None and later <= earlier) for earlier, later in pairs)
