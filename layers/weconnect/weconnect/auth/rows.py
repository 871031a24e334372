"""Users, sessions, API keys, limits and one-time tokens in the table."""

import hashlib
from typing import Any

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from weconnect.auth import keys
from weconnect.auth.entities import ApiKey, ExecutionLimit, LimitType, User
from weconnect.table import Row, key


class UserRow(Row, discriminator="USER"):
    """A user. What each login moves are attributes of their own, because `touch` cannot add inside a map."""

    entity = User
    apart = frozenset({"metadata", "full_name"})

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
    """A sign-in and its refreshes. No token is stored, only which generation is the current one."""

    user_id = UnicodeAttribute(attr_name="userId")
    organization_id = UnicodeAttribute(attr_name="organizationId")
    generation = NumberAttribute(default=1)
    rotated_at = NumberAttribute(attr_name="rotatedAt")
    mfa = BooleanAttribute(default=False)
    ip = UnicodeAttribute(null=True)
    user_agent = UnicodeAttribute(null=True, attr_name="userAgent")

    PREFIX = "SESSION#"

    @staticmethod
    def at(user_id: object, session_id: object) -> tuple[str, str]:
        return key("USER", user_id), key("SESSION", session_id)


class TokenRow(Row, discriminator="TOKEN"):
    """A one-time token, found by its SHA-256; `purpose` says what it is good for."""

    purpose = UnicodeAttribute()
    user_id = UnicodeAttribute(null=True, attr_name="userId")
    email = UnicodeAttribute(null=True)

    @staticmethod
    def at(token: str) -> tuple[str, str]:
        return key("TOKEN", hashlib.sha256(token.encode()).hexdigest()), "TOKEN"


class ApiKeyRow(Row, discriminator="APIKEY"):
    """An API key, found by its hash; listed by user, and by expiry for the organization's admins."""

    entity = ApiKey
    apart = frozenset({"is_expired"})

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
