"""Errors about users, whichever module finds them."""

from collections.abc import Mapping

from weconnect.errors import Forbidden, Invalid, LimitReached, NotFound, Unauthenticated


class UserNotFound(NotFound):
    """No user has this ID."""

    code, title = "user_not_found", "User not found"


class AccountInactive(Unauthenticated):
    """The user was deactivated by an operator of the deployment, or no longer exists."""

    code, title = "account_inactive", "This account is not active"


class EmailNotVerified(Forbidden):
    """The action needs a verified e-mail address, and this one is not verified yet."""

    code, title = "email_not_verified", "This e-mail address is not verified"


class NotOwnEntity(Forbidden):
    """Only owners and admins change what others created; everybody else changes what they created themselves."""

    code, title = "not_yours", "Members may change only what they created themselves"


class WeakPassword(Invalid):
    """The password is among the most common ones, or is the user's own e-mail address."""

    code, title = "weak_password", "This password is too weak"


class TooManyAttempts(LimitReached):
    """Too many sign-ins failed, or too many mails were requested. `Retry-After` gives the seconds to wait, if known."""

    code, title = "too_many_attempts", "Too many attempts"


class TooManyWaiting(LimitReached):
    """Too many requests of the organization wait at the same time. `Retry-After` says when to try again."""

    code, title = "too_many_waiting", "Too many requests wait"


def retry_after(seconds: int) -> Mapping[str, str]:
    """Return the header that tells a client to wait so many seconds, at least one."""
    return {"Retry-After": str(max(1, seconds))}
