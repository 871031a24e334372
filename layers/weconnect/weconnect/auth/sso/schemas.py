"""Single sign-on: the settings of an identity provider, and the two halves of a sign-in through one."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from weconnect.base_entity import ApiModel
from weconnect.identity.entities import EmailTrust

CALLBACK_PATH = "/v1/auth/sso/callback"
SIGN_IN_SECONDS = 600

Issuer = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^https?://[^\s?#]+$")]
ClientText = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[\x20-\x7e]+$")]


class IdentityProviderSettings(ApiModel):
    """The client that was registered at an OIDC provider. `issuer` is the one in its discovery document.

    With `email_trust: issuer`, an address without the claim `email_verified` counts as verified in the mail domains
    that the organization proved, and `preferred_username` or `upn` replaces a missing `email`: Entra ID needs that.
    """

    issuer: Issuer
    client_id: ClientText
    client_secret: Annotated[str, Field(min_length=1, max_length=2_000)]
    email_trust: EmailTrust = EmailTrust.CLAIM


class SsoStart(ApiModel):
    """The organization to sign in to: its slug, or the e-mail address of one of its members."""

    organization: str | None = Field(default=None, min_length=1, max_length=100)
    email: str | None = Field(default=None, min_length=3, max_length=255)

    @model_validator(mode="after")
    def _require_one(self) -> "SsoStart":
        """Return the body. Raises ValueError unless it has exactly one of `organization` and `email`."""
        if (self.organization is None) == (self.email is None):
            raise ValueError("name either organization or email")
        return self


class SsoStarted(ApiModel):
    """The address to send the user to. The browser that started the sign-in has ten minutes to come back."""

    authorization_url: str


@dataclass(frozen=True)
class StartedSignIn:
    """The response to the start of a sign-in, and the secret for the cookie of its browser."""

    response: SsoStarted
    browser_secret: str


@dataclass(frozen=True)
class ProviderCallback:
    """The parameters with which the provider redirected the user back, and the cookie of their browser."""

    state: str
    code: str | None
    error: str | None
    issuer: str | None
    browser_secret: str | None
