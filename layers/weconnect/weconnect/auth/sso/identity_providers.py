"""An organization's OIDC provider: read, set, removed."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from weconnect import clock, ids, mail
from weconnect.api.caller import Caller
from weconnect.auth.rows import IdentityProviderRow, UserRow
from weconnect.auth.sso import oidc
from weconnect.auth.sso.entities import CALLBACK, IdentityProvider, IdentityProviderSettings
from weconnect.db import table
from weconnect.errors import Conflict, NotConfigured, NotFound, Stale
from weconnect.identity.permissions import ROLES
from weconnect.organizations.entities import Organization, OrganizationRole
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow, OrganizationRow
from weconnect.security import encryption

KIND, FIELD = "IDENTITYPROVIDER", "client_secret"

# Everybody has an address there: it says nothing about an organization.
PUBLIC_MAIL = frozenset(
    {
        *(
            "aol.com",
            "fastmail.com",
            "free.fr",
            "gmail.com",
            "gmx.de",
            "gmx.net",
            "googlemail.com",
            "hey.com",
        ),
        *("hotmail.com", "icloud.com", "live.com", "mac.com", "mail.com", "mail.ru", "me.com", "msn.com"),
        *(
            "outlook.com",
            "proton.me",
            "protonmail.com",
            "qq.com",
            "web.de",
            "yahoo.com",
            "yandex.ru",
            "163.com",
        ),
    }
)


def get(caller: Caller, organization_id: UUID) -> IdentityProvider:
    """The provider, without its secret."""
    _require_current(caller, organization_id)
    return _shown(need(organization_id))


def put(
    caller: Caller, organization_id: UUID, body: IdentityProviderSettings, if_match: int | None
) -> IdentityProvider:
    """Set the provider after reading its discovery document; one of another issuer or client ends its sessions.

    A provider says who is an admin, so that only who holds all that an admin does may choose one.
    """
    _require_current(caller, organization_id)
    user = replace(caller, api_key_id=None)  # of a key, the scope organization:manage is enough
    membership.require_may_grant(membership.holder(user), "", ROLES["admin"])
    row = _find(organization_id)
    if row is None and if_match is not None:
        raise Stale("There is no provider yet")
    endpoints = oidc.discover(body.issuer)
    organization: Organization = table.need(
        OrganizationRow, OrganizationRow.at(organization_id), "organization"
    ).to_entity()
    values = {
        "user_id": str(caller.user_id),
        "issuer": body.issuer,
        "client_id": body.client_id,
        "endpoints": vars(endpoints),
        **_standing(caller, organization, body, row),
    }
    provider_id = UUID(row.id) if row else ids.new_id()
    number = encryption.version_of(row.client_secret) + 1 if row else 1
    values["client_secret"] = encryption.encrypt(
        organization_id,
        kind=KIND,
        id=provider_id,
        field=FIELD,
        text=body.client_secret,
        secret_version=number,
    )
    if row is None:
        row = table.create(_new(organization_id, provider_id, values), caller.actor())
    else:
        table.change(row, values, caller.actor(), if_match=if_match)
    return _shown(row)


def delete(caller: Caller, organization_id: UUID, if_match: int | None) -> None:
    """Remove the provider, which ends the sessions it vouched for; refused while single sign-on is enforced.

    The organization gets a new version too, so that nobody enforces what is being removed at this moment.
    """
    _require_current(caller, organization_id)
    row = need(organization_id)
    head = table.need(OrganizationRow, OrganizationRow.at(organization_id), "organization")
    security = head.to_entity().custom_settings.security
    if security and security.enforce_sso:
        raise Conflict("Turn enforceSSO off first", code="sso_enforced")
    with table.transaction(caller.actor()) as writes:
        writes.delete(row, if_match=if_match)
        writes.change(head, {})


def need(organization_id: UUID) -> IdentityProviderRow:
    """The provider's row; raises NotFound."""
    row = _find(organization_id)
    if row is None:
        raise NotFound("This organization has no identity provider", code="identity_provider_not_found")
    return row


def check_can_enforce(organization_id: UUID) -> None:
    """Raise Conflict `sso_not_configured` unless the organization has a provider to enforce."""
    if _find(organization_id) is None:
        pointer = "/customSettings/security/enforceSSO"
        detail = "Set an identity provider first"
        raise Conflict(detail, code="sso_not_configured", errors=[{"pointer": pointer, "detail": detail}])


def of_domain(domain: str) -> list[IdentityProviderRow]:
    """The providers that people of a mail domain may mean; two at the most are read."""
    found = list(IdentityProviderRow.gsi2.query(IdentityProviderRow.by_domain(domain), limit=2))
    return [row for item in found if (row := table.get(IdentityProviderRow, (item.pk, item.sk)))]


def secret_of(row: IdentityProviderRow) -> str:
    """The client secret in the clear."""
    return encryption.decrypt(
        row.organization_id, kind=KIND, id=row.id, field=FIELD, sealed=row.client_secret
    )


def redirect_uri() -> str:
    """Where providers send people back to; from the deployment's own address, never from a request's Host."""
    url = mail.base_url()
    if not url:
        raise NotConfigured("The deployment does not know its own address, which single sign-on needs")
    return f"{url}{CALLBACK}"


def _standing(
    caller: Caller,
    organization: Organization,
    body: IdentityProviderSettings,
    row: IdentityProviderRow | None,
) -> dict[str, Any]:
    """What the provider may do by the standing of whoever sets it.

    It takes a person who is a member and signed in with a password: neither a key nor another provider's word makes an
    owner or proves an address. A new secret for the same client keeps what was there.
    """
    kept = row if row and (row.issuer, row.client_id) == (body.issuer, body.client_id) else None
    owners, domain = bool(kept and kept.signs_in_owners), kept.domain if kept else None
    member = table.get(MemberRow, MemberRow.at(organization.id, caller.user_id))
    if caller.session_id and not caller.sso and member:
        owners = owners or member.role == OrganizationRole.OWNER
        user = table.need(UserRow, UserRow.at(caller.user_id), "user")
        own = user.email.rpartition("@")[2]
        if user.email_verified and own not in PUBLIC_MAIL and own in allowed_domains(organization):
            domain = own
    return {
        "signs_in_owners": owners,
        "domain": domain,
        "gsi2pk": IdentityProviderRow.by_domain(domain) if domain else None,
        "gsi2sk": str(organization.id) if domain else None,
    }


def allowed_domains(organization: Organization) -> frozenset[str]:
    """The mail domains that the organization names; empty means any."""
    security = organization.custom_settings.security
    return frozenset(domain.lower() for domain in (security.allowed_domains if security else None) or [])


def _new(organization_id: UUID, provider_id: UUID, values: dict[str, Any]) -> IdentityProviderRow:
    moment = clock.iso(clock.now())
    pk, sk = IdentityProviderRow.at(organization_id)
    given = {name: value for name, value in values.items() if value is not None}
    return IdentityProviderRow(
        pk=pk,
        sk=sk,
        id=str(provider_id),
        organization_id=str(organization_id),
        created_at=moment,
        updated_at=moment,
        **given,
    )


def _find(organization_id: UUID) -> IdentityProviderRow | None:
    return table.get(IdentityProviderRow, IdentityProviderRow.at(organization_id))


def _shown(row: IdentityProviderRow) -> IdentityProvider:
    return row.to_entity(redirect_uri=f"{mail.base_url()}{CALLBACK}")  # type: ignore[no-any-return]


def _require_current(caller: Caller, organization_id: UUID) -> None:
    if organization_id != caller.organization_id:
        raise NotFound("No such organization", code="organization_not_found")
