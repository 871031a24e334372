"""Rows that only authentication reads: second factors, counters of requests, and users of identity providers.

The rows that other modules read as well are in `weconnect.identity.rows`.
"""

from pynamodb.attributes import Attribute, UnicodeSetAttribute

from weconnect.db.keys import key
from weconnect.db.row import Row, stored
from weconnect.identity import keys


class MfaRow(Row, discriminator="MFA"):
    """A user's second factor: the encrypted TOTP secret, the step of the last code, hashes of unused recovery codes."""

    secret: Attribute[str] = stored()
    confirmed: Attribute[bool] = stored(default=False)
    last_step: Attribute[int | None] = stored()
    recovery_codes = UnicodeSetAttribute(null=True, attr_name="recoveryCodes")

    @staticmethod
    def at(user_id: object) -> tuple[str, str]:
        """Return the key (pk, sk) of a user's second factor."""
        return key("USER", user_id), "MFA"


class RateRow(Row, discriminator="RATE"):
    """The requests of one API key in an hour (`h`, and `m00` to `m59` by the minute) or in a day (`d`)."""

    h: Attribute[int | None] = stored()
    d: Attribute[int | None] = stored()

    at = staticmethod(keys.api_key_rate)


class RegistrationsRow(Row, discriminator="REGISTRATIONS"):
    """The number of registrations from one network in one minute."""

    total: Attribute[int] = stored(default=0)

    @staticmethod
    def at(network: str, minute: str) -> tuple[str, str]:
        """Return the key (pk, sk) of the registrations from a network in a minute."""
        return key("REGISTRATIONS", network), key("MINUTE", minute)


class IdentityRow(Row, discriminator="IDENTITY"):
    """The link from a subject of an identity provider to a user, in one organization."""

    user_id: Attribute[str] = stored()

    PREFIX = "IDENTITY#"

    @staticmethod
    def at(organization_id: object, trust: str, subject: str) -> tuple[str, str]:
        """Return the key (pk, sk) of a provider's subject; `trust` is `IdentityProviderRow.trust`."""
        return key("ORG", organization_id), key("IDENTITY", trust, subject)


class IdentityOfUserRow(Row, discriminator="IDENTITYOFUSER"):
    """The marker that ties a user to one subject of a provider, so that a reassigned address opens nothing."""

    PREFIX = "IDENTITYOF#"

    @staticmethod
    def at(organization_id: object, trust: str, user_id: object) -> tuple[str, str]:
        """Return the key (pk, sk) of a user's marker; `trust` is `IdentityProviderRow.trust`."""
        return key("ORG", organization_id), key("IDENTITYOF", trust, user_id)
