"""What the routes of one's own account take and answer: passwords, sessions, second factor, profile, export."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from weconnect.auth.entities import (
    Email,
    ExecutionLimit,
    Password,
    PersonName,
    Preferences,
    PublicApiKey,
    PublicUser,
    Secret,
    UserRole,
)
from weconnect.base_entity import Wire
from weconnect.organizations.entities import OrganizationMember

OneTimeToken = Annotated[str, Field(min_length=1, max_length=200)]
MfaCode = Annotated[str, Field(min_length=6, max_length=40, description="Six digits, or a recovery code")]
Avatar = Annotated[str, Field(max_length=500, pattern=r"^https?://\S+$")]


class MailRequest(Wire):
    """Where to send a mail; whether there is an account is not told."""

    email: Annotated[str, Field(max_length=255)]


class PasswordReset(Wire):
    """`token` is the one from the mail."""

    token: OneTimeToken
    password: Password


class PasswordChange(Wire):
    current_password: Secret
    new_password: Password


class Session(Wire):
    """A sign-in that can be renewed until `expires_at`; `current` is the one that asks."""

    id: UUID
    organization_id: UUID
    created_at: AwareDatetime
    last_used_at: AwareDatetime
    expires_at: AwareDatetime
    ip: str | None = None
    user_agent: str | None = None
    mfa: bool = False
    current: bool = False


class MfaEnrollment(Wire):
    """Shown this once. `uri` is for an authenticator app; each recovery code stands for one code, once."""

    secret: str
    uri: str
    recovery_codes: list[str]


class MfaConfirmation(Wire):
    code: MfaCode


class MfaDisabling(Wire):
    password: Secret
    code: MfaCode


class UserChanges(Wire):
    """What one may change of oneself. A new `email` needs `current_password`, and counts once it is verified."""

    first_name: PersonName | None = None
    last_name: PersonName | None = None
    avatar: Avatar | None = None
    preferences: Preferences | None = None
    email: Email | None = None
    current_password: Secret | None = None


class UserAdministration(Wire):
    """What operators may change of a user."""

    role: UserRole | None = None
    is_active: bool | None = None


class UserExport(Wire):
    """Everything that is kept about a person, without secrets."""

    exported_at: AwareDatetime
    user: PublicUser
    memberships: list[OrganizationMember]
    sessions: list[Session]
    api_keys: list[PublicApiKey]
    execution_limits: list[ExecutionLimit]
