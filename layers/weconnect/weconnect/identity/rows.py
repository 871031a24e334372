"""Users and what belongs to them in the table: sessions, one-time tokens, API keys, limits; and identity providers."""

import hashlib
from typing import Any
from uuid import UUID

from pynamodb.attributes import Attribute, UnicodeSetAttribute

from weconnect.db.keys import key
from weconnect.db.row import EntityRow, Row, stored
from weconnect.identity import keys
from weconnect.identity.entities import ExecutionLimit, IdentityProvider, LimitType, StoredApiKey, StoredUser

NO_USER_ID = UUID(int=0)
"""The ID of no user, so that a lookup without a user reads as many rows as one with."""


class UserRow(EntityRow[StoredUser], discriminator="USER"):
    """A user. The values of `metadata` are attributes of their own, because `touch` cannot add inside a map."""

    apart = frozenset({"metadata", "full_name"})

    id: Attribute[str]
    email: Attribute[str]
    first_name: Attribute[str]
    last_name: Attribute[str]
    role: Attribute[str]
    email_verified: Attribute[bool]
    current_organization_id: Attribute[str | None]
    password_changed_at: Attribute[str | None]
    preferences: Attribute[dict[str, Any]]
    password: Attribute[str] = stored()
    is_active: Attribute[bool] = stored(default=True)
    mfa_enabled: Attribute[bool] = stored(default=False)
    login_count: Attribute[int | None] = stored()
    last_ip_address: Attribute[str | None] = stored()
    user_agent: Attribute[str | None] = stored()
    signup_source: Attribute[str | None] = stored()

    at = staticmethod(keys.user)

    @staticmethod
    def by_role(role: str) -> str:
        """Return the partition of gsi2 that lists the users of a role, of all tenants."""
        return key("USERS", role)

    @staticmethod
    def by_role_order(is_active: bool, user_id: object) -> str:
        """Return the sort key of gsi2, which lists active users first."""
        return key("active" if is_active else "inactive", user_id)

    @staticmethod
    def by_current_organization(organization_id: object) -> str:
        """Return the partition of gsi1; its sort key is the user's ID."""
        return key("CURRENT", organization_id)

    @classmethod
    def index_keys(cls, user: StoredUser) -> dict[str, str]:
        """Return the attributes of both indexes for a user: `{"gsi1pk": …, "gsi1sk": …, "gsi2pk": …, "gsi2sk": …}`."""
        return {
            "gsi1pk": cls.by_current_organization(user.current_organization_id),
            "gsi1sk": str(user.id),
            "gsi2pk": cls.by_role(user.role),
            "gsi2sk": cls.by_role_order(user.is_active, user.id),
        }

    def to_entity(self, **more: Any) -> StoredUser:
        """Return the user with `metadata` put together again."""
        metadata = {
            name: getattr(self, name)
            for name in ("login_count", "last_ip_address", "user_agent", "signup_source")
        }
        return super().to_entity(metadata=metadata, **more)


class EmailRow(Row, discriminator="EMAIL"):
    """The marker that reserves an e-mail address for one user."""

    user_id: Attribute[str] = stored()

    @staticmethod
    def at(email: str) -> tuple[str, str]:
        """Return the key (pk, sk) of the marker of a normalized e-mail address."""
        return key("EMAIL", email), "EMAIL"


class SessionRow(Row, discriminator="SESSION"):
    """A sign-in and its refreshes. No token is stored, only the number of the current generation.

    `sso_organization_id` and `sso_provider` name the identity provider that authenticated the user, if one did (see
    `sign_in_methods`). `rotated_at` is in seconds since the epoch.
    """

    user_id: Attribute[str] = stored()
    organization_id: Attribute[str] = stored()
    generation: Attribute[int] = stored(default=1)
    rotated_at: Attribute[float] = stored()
    mfa: Attribute[bool] = stored(default=False)
    ip: Attribute[str | None] = stored()
    user_agent: Attribute[str | None] = stored()
    sso_organization_id: Attribute[str | None] = stored()
    sso_provider: Attribute[str | None] = stored()

    PREFIX = "SESSION#"

    @property
    def id(self) -> str:
        """The session's ID, which is the end of its sort key."""
        return self.sk.removeprefix(self.PREFIX)

    at = staticmethod(keys.session)


class TokenRow(Row, discriminator="TOKEN"):
    """A one-time token, found by its SHA-256 and valid for one `purpose` only."""

    purpose: Attribute[str] = stored()
    user_id: Attribute[str | None] = stored()
    email: Attribute[str | None] = stored()
    old_email: Attribute[str | None] = stored()
    details: Attribute[dict[str, Any] | None] = stored()

    @staticmethod
    def at(token: str) -> tuple[str, str]:
        """Return the key (pk, sk) of a one-time token by its text."""
        return TokenRow.at_hash(hashlib.sha256(token.encode()).hexdigest())

    @staticmethod
    def at_hash(digest: str) -> tuple[str, str]:
        """Return the key (pk, sk) of a one-time token by the SHA-256 of its text in hex."""
        return key("TOKEN", digest), "TOKEN"


class AttemptsRow(Row, discriminator="ATTEMPTS"):
    """A counter of failures or requests in a window that ends at `ttl`; `last_at` is in seconds since the epoch."""

    total: Attribute[int] = stored(default=0)
    last_at: Attribute[int | None] = stored()

    @staticmethod
    def at(email: str, network: str) -> tuple[str, str]:
        """Return the key of sign-ins to one account from one network."""
        return key("LOGIN", email), key("IP", network)

    @staticmethod
    def at_known(email: str, network: str) -> tuple[str, str]:
        """Return the key of the marker of a network from which somebody signed in to an account."""
        return key("LOGIN", email), key("KNOWN", network)

    @staticmethod
    def at_own(email: str, network: str) -> tuple[str, str]:
        """Return the key of sign-ins to one account from a known network in an hour."""
        return key("LOGIN", email), key("OWN", network)

    @staticmethod
    def at_account(email: str) -> tuple[str, str]:
        """Return the key of sign-ins to one account from all networks."""
        return key("LOGIN", email), "ALL"

    @staticmethod
    def at_network(network: str) -> tuple[str, str]:
        """Return the key of sign-ins from one network to all accounts."""
        return key("LOGINS", network), "ALL"

    @staticmethod
    def at_mails_to(email: str, *group: str) -> tuple[str, str]:
        """Return the key of mails to one address.

        The group is a purpose with `FROM` and a network, or with `KNOWN` or `UNKNOWN`; or `TENANTS`.
        """
        return key("LOGIN", email), key("MAILS", *group)

    @staticmethod
    def at_mails_of_tenant(organization_id: object, email: str) -> tuple[str, str]:
        """Return the key of mails that one organization sends to one address; it is deleted with the organization."""
        return key("ORG", organization_id), key("MAILS", email)

    @staticmethod
    def at_mails_from(network: str) -> tuple[str, str]:
        """Return the key of mails requested from one network."""
        return key("LOGINS", network), "MAILS"


class ApiKeyRow(EntityRow[StoredApiKey], discriminator="APIKEY"):
    """An API key, found by its hash; listed by user, and by expiry for the organization's admins.

    `made_by` is the way in which its creator had signed in: `password`, or `sso` for the organization's own provider.
    """

    apart = frozenset({"is_expired"})

    deleted_at: Attribute[str | None]
    id: Attribute[str]
    organization_id: Attribute[str]
    user_id: Attribute[str]
    name: Attribute[str]
    is_active: Attribute[bool]
    scopes: Attribute[list[str]]
    permissions: Attribute[dict[str, Any]]
    made_by: Attribute[str | None] = stored()
    successor_id: Attribute[str | None] = stored()

    at = staticmethod(keys.api_key)

    @staticmethod
    def in_trash(organization_id: object, api_key_id: object) -> tuple[str, str]:
        """Return the key (pk, sk) that a revoked API key has in the trash."""
        return key("ORG", organization_id), key("TRASH", "APIKEY", api_key_id)

    @staticmethod
    def of_user(organization_id: object, user_id: object) -> str:
        """Return the partition of gsi1 with a user's keys; its sort key is the ID of the API key."""
        return key("ORG", organization_id, "USER", user_id, "APIKEY")

    @staticmethod
    def by_expiry(organization_id: object) -> str:
        """Return the partition of gsi2 with all keys of an organization."""
        return key("ORG", organization_id, "APIKEY")

    @staticmethod
    def by_expiry_order(expires_at: str | None, api_key_id: object) -> str:
        """Return the sort key of gsi2: keys that expire first come first, keys without an expiry last."""
        return key(expires_at or "never", api_key_id)


class MemberApiKeysRow(Row, discriminator="MEMBERAPIKEYS"):
    """The hashes of a member's API keys. Those that were revoked or have expired are removed when it is full."""

    key_hashes = UnicodeSetAttribute(null=True, attr_name="keyHashes")

    @staticmethod
    def at(organization_id: object, user_id: object) -> tuple[str, str]:
        """Return the key (pk, sk) of a member's API keys."""
        return key("ORG", organization_id), key("APIKEYS", user_id)


class ExecutionLimitRow(EntityRow[ExecutionLimit], discriminator="LIMIT"):
    """One execution limit of one member."""

    apart = frozenset({"is_exceeded", "remaining_executions"})

    is_active: Attribute[bool]
    max_executions: Attribute[int]
    current_executions: Attribute[int]
    period_start: Attribute[str]

    @staticmethod
    def at(organization_id: object, user_id: object, limit_type: LimitType) -> tuple[str, str]:
        """Return the key (pk, sk) of a member's limit of one type."""
        return key("ORG", organization_id), key("LIMIT", user_id, limit_type)


class IdentityProviderRow(EntityRow[IdentityProvider], discriminator="IDENTITYPROVIDER"):
    """An organization's OIDC provider; the secret is encrypted, the endpoints come from discovery."""

    apart = frozenset({"redirect_uri"})

    id: Attribute[str]
    organization_id: Attribute[str]
    user_id: Attribute[str]
    issuer: Attribute[str]
    client_id: Attribute[str]
    signs_in_owners: Attribute[bool]
    email_trust: Attribute[str] = stored(default="claim")
    client_secret: Attribute[str] = stored()
    endpoints: Attribute[dict[str, Any]] = stored()

    at = staticmethod(keys.identity_provider)

    @property
    def trust(self) -> str:
        """The key of issuer and client that sessions depend on: another issuer or client is another provider."""
        return keys.provider_trust(self.issuer, self.client_id)


class WaitingRow(Row, discriminator="WAITING"):
    """The callers that wait, of an organization or of all, written by `waiting`: `t351` counts leases by their end."""

    @staticmethod
    def of_organization(organization_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of the leases of an organization's callers."""
        return key("ORG", organization_id), key("WAITING")

    @staticmethod
    def of_deployment() -> tuple[str, str]:
        """Return the key (pk, sk) of the leases of all callers."""
        return key("RUN", "waiting"), key("WAITING")
