"""Single sign-on: an organization's identity provider, and what begins a sign-in through it."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from weconnect.base_entity import TenantEntity, Wire

CALLBACK = "/v1/auth/sso/callback"
SIGN_IN_SECONDS = 600

Issuer = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^https?://[^\s?#]+$")]
ClientText = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[\x20-\x7e]+$")]


class IdentityProviderSettings(Wire):
    """What the provider's own registration of us says. `issuer` stands in its discovery document."""

    issuer: Issuer
    client_id: ClientText
    client_secret: Annotated[str, Field(min_length=1, max_length=2_000)]


class IdentityProvider(TenantEntity):
    """An organization's OIDC provider, without its secret; `user_id` set it.

    `redirect_uri` is the address to register there. It `signs_in_owners` only when an owner set it. `domain` is the
    mail domain whose people find it by their address, and may join with an account that they have already: that of
    whoever set it, if the address is verified and the organization allows the domain.
    """

    issuer: str
    client_id: str
    signs_in_owners: bool = False
    domain: str | None = None
    redirect_uri: str = ""


class SsoStart(Wire):
    """Which organization to sign in to: its slug, or the e-mail address of somebody there."""

    organization: str | None = Field(default=None, min_length=1, max_length=100)
    email: str | None = Field(default=None, min_length=3, max_length=255)

    @model_validator(mode="after")
    def _one_of_two(self) -> "SsoStart":
        if (self.organization is None) == (self.email is None):
            raise ValueError("name either organization or email")
        return self


class SsoStarted(Wire):
    """Where to send the person; the browser that got this answer has ten minutes to come back."""

    authorization_url: str


@dataclass(frozen=True)
class Begun:
    """What a start answers, and the secret that its browser keeps."""

    answer: SsoStarted
    browser: str


@dataclass(frozen=True)
class Returned:
    """What the provider sent the person back with, and what their browser kept."""

    state: str
    code: str | None
    error: str | None
    issuer: str | None
    browser: str | None
