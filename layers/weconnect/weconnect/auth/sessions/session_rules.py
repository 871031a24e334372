"""The rules by which an organization accepts a session, over plain values: at each refresh, and before each write.

The authorizer imports this module: no rows and no pydantic here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from weconnect import clock
from weconnect.auth.errors import SessionEnded, SessionExpired, SsoNotForOwners, SsoRequired, SsoSession
from weconnect.identity.permissions import PERMISSIONS_BY_ROLE, expand_permissions


@dataclass(frozen=True)
class OpenSession:
    """The facts of a session that the rules need.

    - `has_second_factor`: it was verified in this session, and the user still has one.
    - `sso_organization_id`, `sso_provider`: the organization and the `IdentityProviderRow.trust` of the identity
      provider that opened it, if one did.
    """

    created_at: str
    has_second_factor: bool
    sso_organization_id: str | None = None
    sso_provider: str | None = None

    @property
    def is_sso(self) -> bool:
        """Return whether the organization's identity provider opened the session."""
        return bool(self.sso_organization_id)

    @property
    def age_seconds(self) -> float:
        """Return the seconds since the session was opened."""
        return clock.now().timestamp() - datetime.fromisoformat(self.created_at).timestamp()


@dataclass(frozen=True)
class SecurityRules:
    """An organization's rules for signing in (`customSettings.security`); the timeout is in minutes."""

    enforce_sso: bool = False
    enforce_mfa: bool = False
    session_timeout: int | None = None

    @classmethod
    def of(cls, security: Mapping[str, Any] | None) -> "SecurityRules":
        """Return the rules in stored settings; without any, nothing is enforced."""
        stored = security or {}
        return cls(
            bool(stored.get("enforce_sso")), bool(stored.get("enforce_mfa")), stored.get("session_timeout")
        )


def require_bound_organization(session: OpenSession, organization_id: object) -> None:
    """Raise SsoSession when a single sign-on session is to act in another organization than its own.

    Call this before anything reveals whether the user is a member there.
    """
    if session.sso_organization_id not in (None, str(organization_id)):
        raise SsoSession(
            "This single sign-on session is limited to its organization. Sign in with your password to reach others."
        )


def require_same_provider(session: OpenSession, trust: str | None) -> None:
    """Raise SessionEnded when the organization's identity provider has changed since it opened the session.

    `trust` is that of the present provider, None without one.
    """
    if session.is_sso and trust != session.sso_provider:
        raise SessionEnded("The identity provider was changed. Sign in again.")


def require_accepted_sign_in(
    session: OpenSession, rules: SecurityRules, role: str, granted: frozenset[str], *, signs_in_owners: bool
) -> None:
    """Raise an error unless the organization accepts the way in which a member's session was opened.

    A provider that an owner has not configured signs in nobody who has more than an admin. Raises SsoRequired or
    SsoNotForOwners.
    """
    if not session.is_sso:
        is_owner_with_mfa = role == "owner" and session.has_second_factor
        if rules.enforce_sso and not is_owner_with_mfa:
            raise SsoRequired(
                "This organization requires single sign-on: POST /v1/auth/sso/start. Owners may sign in with a "
                "password and a second factor."
            )
        return
    has_more_than_admin = role == "owner" or expand_permissions(granted) - PERMISSIONS_BY_ROLE["admin"]
    if has_more_than_admin and not signs_in_owners:
        raise SsoNotForOwners(
            "Owners, and others with permissions that an admin lacks, may sign in through the identity provider only "
            "when an owner has configured it."
        )


def refuse_timed_out(session: OpenSession, rules: SecurityRules) -> None:
    """Raise SessionExpired for a session that is older than the organization's session timeout."""
    if rules.session_timeout and session.age_seconds > rules.session_timeout * 60:
        raise SessionExpired("The organization's session timeout has passed. Sign in again.")


def lacks_second_factor(session: OpenSession, rules: SecurityRules) -> bool:
    """Return whether the organization enforces a second factor that the session was opened without.

    A session of the organization's own identity provider never lacks one: the factors are the provider's concern.
    """
    return rules.enforce_mfa and not (session.is_sso or session.has_second_factor)
