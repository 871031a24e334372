"""Limits on the mails that anybody can cause to be sent: to one address, and from one network."""

from weconnect.identity.attempt_counters import count_attempt, network_of_ip
from weconnect.identity.errors import TooManyAttempts, retry_after
from weconnect.identity.rows import AttemptsRow

WINDOW_SECONDS = 3_600
MAX_TO_ONE_ADDRESS = 5
MAX_FROM_ONE_NETWORK = 20


def count_requested_mail(email: str, ip: str) -> bool:
    """Count a mail that somebody who is not signed in requested; return False when the address may get no more now.

    Raises TooManyAttempts when the network of `ip` has requested too many.
    """
    if not count_attempt(AttemptsRow.at_mails_from(network_of_ip(ip)), MAX_FROM_ONE_NETWORK, WINDOW_SECONDS):
        raise TooManyAttempts(
            f"Too many attempts. Try again in {WINDOW_SECONDS} seconds.",
            headers=retry_after(WINDOW_SECONDS),
        )
    return count_mail_to(email)


def count_mail_to(email: str) -> bool:
    """Count a mail to a normalized address; return False when it may get no more within this hour."""
    return count_attempt(AttemptsRow.at_mails_to(email), MAX_TO_ONE_ADDRESS, WINDOW_SECONDS)


def count_notice_to(email: str, *, is_verified: bool) -> bool:
    """Return whether a user's address may get a notice now: a verified one always, another one as `count_mail_to` says.

    An address that nobody has confirmed may be that of somebody else.
    """
    return is_verified or count_mail_to(email)
