"""Limits on the mails that anybody can cause to be sent: from one network, and to one address.

The mails to an address are counted for each network that requests them, and together those of the networks that are
known to the account, where its user signed in, and those of all others. Resets of the password have counters of their
own, so that only resets, each of which lets the user in, use up resets. What tenants send, such as invitations, is
counted for each organization, and together. So a stranger uses up the share of their own network or organization, and
with several that of all unknown ones for an hour, but not that of a network where the account's user signed in.
"""

from typing import Literal
from uuid import UUID

from weconnect.db import table
from weconnect.identity.attempt_counters import count_attempt, network_of_ip
from weconnect.identity.errors import TooManyAttempts, retry_after
from weconnect.identity.rows import AttemptsRow

WINDOW_SECONDS = 3_600
MAX_TO_ONE_ADDRESS = 5
"""The mails to one address that one network requests for a purpose, and those that one organization sends."""
MAX_OF_MANY_NETWORKS = 10
"""The mails to one address that all known networks request together for a purpose, and those of all unknown ones."""
MAX_OF_MANY_TENANTS = 20
"""The mails to one address that all organizations send together."""
MAX_FROM_ONE_NETWORK = 20

Purpose = Literal["RESET", "OTHER"]


def count_requested_mail(email: str, ip: str, purpose: Purpose = "OTHER") -> bool:
    """Count a mail that was requested at `ip`; return False when the address may get no more now.

    Raises TooManyAttempts when the network of `ip` has requested too many, whatever the addresses.
    """
    if not count_attempt(AttemptsRow.at_mails_from(network_of_ip(ip)), MAX_FROM_ONE_NETWORK, WINDOW_SECONDS):
        raise TooManyAttempts(
            f"Too many attempts. Try again in {WINDOW_SECONDS} seconds.",
            headers=retry_after(WINDOW_SECONDS),
        )
    return count_mail_to(email, ip, purpose)


def count_mail_to(email: str, ip: str, purpose: Purpose = "OTHER") -> bool:
    """Count a mail to a normalized address that was caused at `ip`; return False when it may get no more this hour.

    The work is the same for a known network and for others, and so for an account and for none.
    """
    network = network_of_ip(ip)
    is_known = table.get(AttemptsRow, AttemptsRow.at_known(email, network)) is not None
    at_network = AttemptsRow.at_mails_to(email, purpose, "FROM", network)
    at_group = AttemptsRow.at_mails_to(email, purpose, "KNOWN" if is_known else "UNKNOWN")
    return count_attempt(at_network, MAX_TO_ONE_ADDRESS, WINDOW_SECONDS) and count_attempt(
        at_group, MAX_OF_MANY_NETWORKS, WINDOW_SECONDS
    )


def count_tenant_mail_to(email: str, organization_id: UUID) -> bool:
    """Count a mail that an organization sends to a normalized address; return False when it may get no more now."""
    at_tenant = AttemptsRow.at_mails_of_tenant(organization_id, email)
    at_all = AttemptsRow.at_mails_to(email, "TENANTS")
    return count_attempt(at_tenant, MAX_TO_ONE_ADDRESS, WINDOW_SECONDS) and count_attempt(
        at_all, MAX_OF_MANY_TENANTS, WINDOW_SECONDS
    )


def count_notice_to(email: str, ip: str, *, is_verified: bool) -> bool:
    """Return whether a user's address may get a notice now: a verified one always, another one as `count_mail_to` says.

    An address that nobody has confirmed may be that of somebody else.
    """
    return is_verified or count_mail_to(email, ip)
