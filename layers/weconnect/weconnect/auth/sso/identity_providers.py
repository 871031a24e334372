"""An organization's OIDC provider: read, configured and removed."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from weconnect import clock, ids, mail
from weconnect.api.caller import Caller
from weconnect.auth.errors import IdentityProviderNotFound, SsoEnforced
from weconnect.auth.sso import oidc
from weconnect.auth.sso.schemas import CALLBACK_PATH, IdentityProviderSettings
from weconnect.db import table
from weconnect.errors import NotConfigured, StaleVersion
from weconnect.identity import mail_limits, waiting
from weconnect.identity.entities import IdentityProvider
from weconnect.identity.permissions import PERMISSIONS_BY_ROLE
from weconnect.identity.rows import IdentityProviderRow, UserRow
from weconnect.identity.verified_addresses import require_verified
from weconnect.organizations.entities import Organization, OrganizationRole
from weconnect.organizations.errors import OrganizationNotFound
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow, OrganizationRow
from weconnect.security import encryption

SECRET_KIND, SECRET_FIELD = "IDENTITYPROVIDER", "client_secret"


def get(caller: Caller, organization_id: UUID) -> IdentityProvider:
    """Return the organization's provider without its secret. Raises IdentityProviderNotFound."""
    membership.require_current_organization(caller, organization_id)
    return _to_entity(require_provider(organization_id))


def put(
    caller: Caller, organization_id: UUID, body: IdentityProviderSettings, if_match: int | None
) -> IdentityProvider:
    """Configure the provider after reading its discovery document; another issuer or client ends its sessions.

    The owners get a mail about another issuer or client.

    A provider decides who is an admin, so only those who have all permissions of an admin may choose one, and an API
    key only if it has them itself; while single sign-on is enforced, only an owner, because owners depend on it then.
    Raises EmailNotVerified, CannotGrant, OwnerOnly, TooManyWaiting or InvalidIssuer.
    """
    membership.require_current_organization(caller, organization_id)
    require_verified(caller.user_id, "set an identity provider")
    membership.require_may_grant(caller, "", PERMISSIONS_BY_ROLE["admin"])
    organization = table.require(OrganizationRow, OrganizationRow.at(organization_id), OrganizationNotFound)
    if _is_enforced(organization):
        membership.require_owner(caller)
    row = _find(organization_id)
    if row is None and if_match is not None:
        raise StaleVersion("This organization has no identity provider yet. Leave out If-Match.")
    with waiting.require_lease(organization_id, oidc.TIMEOUT_SECONDS):
        endpoints = oidc.discover(body.issuer)
    provider_id = UUID(row.id) if row else ids.new_id()
    secret_version = encryption.secret_version_of(row.client_secret) + 1 if row else 1
    values = {
        "user_id": str(caller.user_id),
        "issuer": body.issuer,
        "client_id": body.client_id,
        "endpoints": vars(endpoints),
        "signs_in_owners": _may_sign_in_owners(caller, body, row),
        "email_trust": body.email_trust.value,
        "client_secret": encryption.encrypt(
            organization_id,
            kind=SECRET_KIND,
            id=provider_id,
            field=SECRET_FIELD,
            text=body.client_secret,
            secret_version=secret_version,
        ),
    }
    trust_before = row.trust if row else None
    if row is None:
        row = table.create(_build_row(organization_id, provider_id, values), caller.actor())
    else:
        table.change(row, values, caller.actor(), if_match=if_match)
    if row.trust != trust_before:
        _notify_owners(caller, organization.to_entity(), row)
    return _to_entity(row)


def delete(caller: Caller, organization_id: UUID, if_match: int | None) -> None:
    """Remove the provider, which ends its sessions. Raises SsoEnforced or IdentityProviderNotFound.

    The organization gets a new version too, so that nobody enforces single sign-on at the same moment.
    """
    membership.require_current_organization(caller, organization_id)
    row = require_provider(organization_id)
    organization_row = table.require(
        OrganizationRow, OrganizationRow.at(organization_id), OrganizationNotFound
    )
    if _is_enforced(organization_row):
        raise SsoEnforced("Single sign-on is enforced. Turn enforceSSO off first.")
    with table.transaction(caller.actor()) as writes:
        writes.delete(row, if_match=if_match)
        writes.change(organization_row, {})


def remove(owner: Caller) -> None:
    """Remove the provider of the caller's organization, if there is one, even while single sign-on is enforced."""
    row = _find(owner.organization_id)
    organization_row = table.get(OrganizationRow, OrganizationRow.at(owner.organization_id))
    if row is None:
        return
    with table.transaction(owner.actor()) as writes:
        writes.delete(row)
        if organization_row is not None:
            settings = organization_row.to_entity().custom_settings
            if settings.security:
                settings.security.enforce_sso = False
            writes.change(organization_row, {"custom_settings": settings.model_dump(mode="json")})


def require_provider(organization_id: UUID) -> IdentityProviderRow:
    """Return the row of an organization's provider; raise IdentityProviderNotFound."""
    row = _find(organization_id)
    if row is None:
        raise IdentityProviderNotFound()
    return row


def decrypt_secret(row: IdentityProviderRow) -> str:
    """Return the client secret in plain text."""
    return encryption.decrypt(
        row.organization_id, kind=SECRET_KIND, id=row.id, field=SECRET_FIELD, sealed=row.client_secret
    )


def redirect_uri() -> str:
    """Return the address that providers redirect users to. Raises NotConfigured.

    It comes from the deployment's own configuration, never from the Host header of a request.
    """
    url = mail.base_url()
    if not url:
        raise NotConfigured("Single sign-on needs the deployment's own address, which is not configured.")
    return f"{url}{CALLBACK_PATH}"


def allowed_domains(organization: Organization) -> frozenset[str]:
    """Return the mail domains that the organization accepts, in lower case; empty means any."""
    security = organization.custom_settings.security
    return frozenset(domain.lower() for domain in (security.allowed_domains if security else None) or [])


def _may_sign_in_owners(
    caller: Caller, body: IdentityProviderSettings, row: IdentityProviderRow | None
) -> bool:
    """Return whether owners may use the provider: one of them configured it, after signing in with a password.

    Neither an API key nor another provider makes an owner. A new secret alone keeps what was there, because the same
    issuer says the same about the same client. Any other change by somebody else ends it.
    """
    after = (body.issuer, body.client_id, body.email_trust.value)
    if row and row.signs_in_owners and (row.issuer, row.client_id, row.email_trust) == after:
        return True
    member = table.get(MemberRow, MemberRow.at(caller.organization_id, caller.user_id))
    is_person = caller.session_id is not None and not caller.is_sso
    return is_person and member is not None and member.role == OrganizationRole.OWNER


def _notify_owners(caller: Caller, organization: Organization, row: IdentityProviderRow) -> None:
    """Mail each owner, at most 50, that the organization has a new identity provider, and who set it.

    The mails count as notices, not as mails of tenants: a tenant could use those up beforehand.
    """
    setter = table.get(UserRow, UserRow.at(caller.user_id))
    name = mail.to_safe_name(organization.name)
    text = (
        f"Hello,\n\n{setter.email if setter else caller.user_id} set the identity provider of {name}. It decides who "
        f"signs in there from now on:\n\nissuer: {row.issuer}\nclient: {row.client_id}\n\nIf that is not right, set "
        "or remove the identity provider.\n"
    )
    for owner in membership.load_active_owners(organization.id):
        if mail_limits.count_notice_to(owner.email, caller.request.ip, is_verified=owner.email_verified):
            mail.send(owner.email, f"{name} has a new identity provider", text)


def _is_enforced(row: OrganizationRow) -> bool:
    """Return whether an organization enforces single sign-on."""
    security = row.to_entity().custom_settings.security
    return bool(security and security.enforce_sso)


def _build_row(organization_id: UUID, provider_id: UUID, values: Mapping[str, Any]) -> IdentityProviderRow:
    """Return the row of a new provider for the caller to store; `values` that are None are left out."""
    moment = clock.iso(clock.now())
    pk, sk = IdentityProviderRow.at(organization_id)
    return IdentityProviderRow(
        pk=pk,
        sk=sk,
        id=str(provider_id),
        organization_id=str(organization_id),
        created_at=moment,
        updated_at=moment,
        **{name: value for name, value in values.items() if value is not None},
    )


def _find(organization_id: UUID) -> IdentityProviderRow | None:
    """Return the row of the organization's provider, or None."""
    return table.get(IdentityProviderRow, IdentityProviderRow.at(organization_id))


def _to_entity(row: IdentityProviderRow) -> IdentityProvider:
    """Return the provider of a row, with the redirect URI to register there."""
    return row.to_entity(redirect_uri=f"{mail.base_url()}{CALLBACK_PATH}")
