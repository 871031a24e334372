"""Users, sessions, API keys, limits and one-time tokens in the table."""

import hashlib
from typing import Any

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)

from weconnect.auth.entities import ApiKey, ExecutionLimit, LimitType, User
from weconnect.auth.sso.entities import IdentityProvider
from weconnect.db.table import Row, key
from weconnect.identity import keys


class UserRow(Row, discriminator="USER"):
    """A user. What each login moves are attributes of their own, because `touch` cannot add inside a map."""

    entity = User
    apart = frozenset({"metadata", "full_name"})

    password = UnicodeAttribute()
    is_active = BooleanAttribute(default=True, attr_name="isActive")
    mfa_enabled = BooleanAttribute(default=False, attr_name="mfaEnabled")
    login_count = NumberAttribute(null=True, attr_name="loginCount")
    last_ip_address = UnicodeAttribute(null=True, attr_name="lastIpAddress")
    user_agent = UnicodeAttribute(null=True, attr_name="userAgent")
    signup_source = UnicodeAttribute(null=True, attr_name="signupSource")

    at = staticmethod(keys.user)

    @staticmethod
    def by_role(role: str) -> str:
        """gsi2, all tenants."""
        return key("USERS", role)

    @staticmethod
    def by_role_order(is_active: bool, user_id: object) -> str:
        return key("active" if is_active else "inactive", user_id)

    @staticmethod
    def by_current_organization(organization_id: object) -> str:
        """gsi1; the sort key is the user's id."""
        return key("CURRENT", organization_id)

    def to_entity(self, **more: Any) -> User:
        metadata = {
            name: getattr(self, name)
            for name in ("login_count", "last_ip_address", "user_agent", "signup_source")
        }
        return super().to_entity(metadata=metadata, **more)  # type: ignore[no-any-return]


class EmailRow(Row, discriminator="EMAIL"):
    """Holds an e-mail address for one user."""

    user_id = UnicodeAttribute(attr_name="userId")

    @staticmethod
    def at(email: str) -> tuple[str, str]:
        return key("EMAIL", email), "EMAIL"


class SessionRow(Row, discriminator="SESSION"):
    """A sign-in and its refreshes. No token is stored, only which generation is the current one.

    `sso_organization_id` and `sso_provider` say whose identity provider vouched for it (see `ways_in`).
    """

    user_id = UnicodeAttribute(attr_name="userId")
    organization_id = UnicodeAttribute(attr_name="organizationId")
    generation = NumberAttribute(default=1)
    rotated_at = NumberAttribute(attr_name="rotatedAt")
    mfa = BooleanAttribute(default=False)
    ip = UnicodeAttribute(null=True)
    user_agent = UnicodeAttribute(null=True, attr_name="userAgent")
    sso_organization_id = UnicodeAttribute(null=True, attr_name="ssoOrganizationId")
    sso_provider = UnicodeAttribute(null=True, attr_name="ssoProvider")

    PREFIX = "SESSION#"

    @staticmethod
    def at(user_id: object, session_id: object) -> tuple[str, str]:
        return key("USER", user_id), key("SESSION", session_id)


class TokenRow(Row, discriminator="TOKEN"):
    """A one-time token, found by its SHA-256; `purpose` says what it is good for."""

    purpose = UnicodeAttribute()
    user_id = UnicodeAttribute(null=True, attr_name="userId")
    email = UnicodeAttribute(null=True)
    old_email = UnicodeAttribute(null=True, attr_name="oldEmail")
    details = JSONAttribute(null=True)

    @staticmethod
    def at(token: str) -> tuple[str, str]:
        return TokenRow.at_hash(hashlib.sha256(token.encode()).hexdigest())

    @staticmethod
    def at_hash(digest: str) -> tuple[str, str]:
        return key("TOKEN", digest), "TOKEN"


class MfaRow(Row, discriminator="MFA"):
    """A user's second factor: the sealed TOTP secret, the last code's step, the hashes of unused recovery codes."""

    secret = UnicodeAttribute()
    confirmed = BooleanAttribute(default=False)
    last_step = NumberAttribute(null=True, attr_name="lastStep")
    recovery_codes = UnicodeSetAttribute(null=True, attr_name="recoveryCodes")

    @staticmethod
    def at(user_id: object) -> tuple[str, str]:
        return key("USER", user_id), "MFA"


class AttemptsRow(Row, discriminator="ATTEMPTS"):
    """How often something failed, or was asked for, since the window began that ends with `ttl`."""

    total = NumberAttribute(default=0)
    last_at = NumberAttribute(null=True, attr_name="lastAt")

    @staticmethod
    def at(email: str, network: str) -> tuple[str, str]:
        """Sign-ins to an account from one network address."""
        return key("LOGIN", email), key("IP", network)

    @staticmethod
    def at_account(email: str) -> tuple[str, str]:
        """Sign-ins to an account from anywhere."""
        return key("LOGIN", email), "ALL"

    @staticmethod
    def at_network(network: str) -> tuple[str, str]:
        """Sign-ins from one network address."""
        return key("LOGINS", network), "ALL"

    @staticmethod
    def at_mails_to(email: str) -> tuple[str, str]:
        """Mails that somebody had sent to an address."""
        return key("LOGIN", email), "MAILS"

    @staticmethod
    def at_mails_from(network: str) -> tuple[str, str]:
        """Mails that one network address asked for."""
        return key("LOGINS", network), "MAILS"


class ApiKeyRow(Row, discriminator="APIKEY"):
    """An API key, found by its hash; listed by user, and by expiry for the organization's admins.

    `made_by` says how its maker had signed in: by `password`, or by the organization's own provider (`sso`).
    """

    entity = ApiKey
    apart = frozenset({"is_expired"})

    made_by = UnicodeAttribute(null=True, attr_name="madeBy")
    successor_id = UnicodeAttribute(null=True, attr_name="successorId")

    at = staticmethod(keys.api_key)

    @staticmethod
    def trashed_at(organization_id: object, api_key_id: object) -> tuple[str, str]:
        return key("ORG", organization_id), key("TRASH", "APIKEY", api_key_id)

    @staticmethod
    def of_user(organization_id: object, user_id: object) -> str:
        """gsi1; the sort key is the key's id."""
        return key("ORG", organization_id, "USER", user_id, "APIKEY")

    @staticmethod
    def by_expiry(organization_id: object) -> str:
        """gsi2."""
        return key("ORG", organization_id, "APIKEY")

    @staticmethod
    def by_expiry_order(expires_at: str | None, api_key_id: object) -> str:
        return key(expires_at or "never", api_key_id)


class RateRow(Row, discriminator="RATE"):
    """The requests of one API key in an hour (`h`, and `m00` to `m59` by the minute) or in a day (`d`)."""

    h = NumberAttribute(null=True)
    d = NumberAttribute(null=True)

    at = staticmethod(keys.api_key_rate)


class ExecutionLimitRow(Row, discriminator="LIMIT"):
    """One limit of one member."""

    entity = ExecutionLimit
    apart = frozenset({"is_exceeded", "remaining_executions"})

    @staticmethod
    def at(organization_id: object, user_id: object, limit_type: LimitType) -> tuple[str, str]:
        return key("ORG", organization_id), key("LIMIT", user_id, limit_type)


class RegistrationsRow(Row, discriminator="REGISTRATIONS"):
    """How often one network address registered in one minute."""

    total = NumberAttribute(default=0)

    @staticmethod
    def at(network: str, minute: str) -> tuple[str, str]:
        return key("REGISTRATIONS", network), key("MINUTE", minute)


class IdentityProviderRow(Row, discriminator="IDENTITYPROVIDER"):
    """An organization's OIDC provider; the secret is sealed, the endpoints are those that discovery gave."""

    entity = IdentityProvider
    apart = frozenset({"redirect_uri"})

    client_secret = UnicodeAttribute(attr_name="clientSecret")
    endpoints = JSONAttribute()

    @staticmethod
    def at(organization_id: object) -> tuple[str, str]:
        return key("ORG", organization_id), "IDENTITYPROVIDER"

    @staticmethod
    def by_domain(domain: str) -> str:
        """gsi2; the sort key is the organization's id."""
        return key("SSO", domain)

    @property
    def trust(self) -> str:
        """What a session that it vouched for depends on: another issuer or client is another provider."""
        return key(self.issuer, self.client_id)


class IdentityRow(Row, discriminator="IDENTITY"):
    """Whom a provider's subject stands for in an organization."""

    user_id = UnicodeAttribute(attr_name="userId")

    @staticmethod
    def at(organization_id: object, trust: str, subject: str) -> tuple[str, str]:
        return key("ORG", organization_id), key("IDENTITY", trust, subject)


class IdentityOfUserRow(Row, discriminator="IDENTITYOFUSER"):
    """Holds a user for one subject of a provider: an address that is given to somebody else opens nothing."""

    @staticmethod
    def at(organization_id: object, trust: str, user_id: object) -> tuple[str, str]:
        return key("ORG", organization_id), key("IDENTITYOF", trust, user_id)
