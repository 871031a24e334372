"""Signing in through an organization's identity provider: sent there, and taken back.

A sign-in is a one-time token for ten minutes. Its `state` goes with the person through the provider, the nonce comes
back inside the ID token, the PKCE verifier never leaves us, and a cookie holds the browser that began: a state that
was taken from another browser, or was used, is worth nothing. `ways_in` says what the session may do.
"""

import hashlib
import hmac
import secrets
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.entities import Tokens, normal_email
from weconnect.auth.rows import IdentityProviderRow, SessionRow, TokenRow, UserRow
from weconnect.auth.sessions import sessions, sign_in_methods
from weconnect.auth.sso import identity_providers, oidc, user_mapping
from weconnect.auth.sso.entities import SIGN_IN_SECONDS, Begun, Returned, SsoStart, SsoStarted
from weconnect.auth.sso.identity_providers import check_can_enforce as check_can_enforce
from weconnect.db import table
from weconnect.errors import BadRequest, NotFound
from weconnect.log import logger
from weconnect.organizations.entities import Organization
from weconnect.organizations.rows import OrganizationRow, SlugRow

PURPOSE = "sso"


def start(body: SsoStart, request: RequestInfo) -> Begun:
    """Begin a sign-in: the address of the provider, with everything it needs to send the person back."""
    provider = _by_slug(body.organization) if body.organization else _by_email(body.email or "")
    state, nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(4))
    redirect_uri = identity_providers.redirect_uri()
    pk, sk = TokenRow.at(state)
    details = {
        "organization_id": provider.organization_id,
        "provider_version": provider.version,
        "redirect_uri": redirect_uri,
        "nonce": nonce,
        "verifier": verifier,
        "browser": _hash(browser),
    }
    row = TokenRow(pk=pk, sk=sk, purpose=PURPOSE, details=details, ttl=clock.epoch() + SIGN_IN_SECONDS)
    table.create(row, _actor(None, provider.organization_id, request))
    parameters = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": oidc.SCOPES,
        "state": state,
        "nonce": nonce,
        "code_challenge": oidc.challenge(verifier),
        "code_challenge_method": "S256",
    }
    if body.email:
        parameters["login_hint"] = body.email
    url = oidc.authorization_url(provider.endpoints["authorization"], parameters)
    return Begun(SsoStarted(authorization_url=url), browser)


def finish(back: Returned, request: RequestInfo) -> Tokens:
    """End a sign-in: take the state, once, and the code; answer tokens for the organization it was begun for."""
    begun = _take(back, request)
    organization_id = UUID(begun["organization_id"])
    provider = _need_provider(organization_id)
    organization = _need_organization(organization_id)
    if provider.version != begun["provider_version"]:
        raise oidc.failed("the organization has changed its provider meanwhile; start again")
    endpoints = oidc.Endpoints(**provider.endpoints)
    if back.issuer != provider.issuer and (back.issuer is not None or endpoints.names_itself):
        raise oidc.failed("another issuer answered")
    if back.error or not back.code:
        raise oidc.failed(f"it sent no code ({(back.error or 'no reason given')[:100]!a})")
    token = oidc.exchange(
        endpoints,
        provider.client_id,
        identity_providers.secret_of(provider),
        code=back.code,
        verifier=begun["verifier"],
        redirect_uri=begun["redirect_uri"],
    )
    identity = oidc.identify(
        endpoints, token, issuer=provider.issuer, client_id=provider.client_id, nonce=begun["nonce"]
    )
    user_id = user_mapping.admit(provider, organization, identity, request)
    return _sign_in(user_id, provider, identity, request)


def _sign_in(
    user_id: UUID, provider: IdentityProviderRow, identity: oidc.Identity, request: RequestInfo
) -> Tokens:
    who = sessions.standing(user_id, provider.organization_id)
    session: SessionRow = sessions.new_row(user_id, who.organization.id, request, mfa=identity.mfa)
    session.set(sso_organization_id=provider.organization_id, sso_provider=provider.trust)
    sign_in_methods.require(session, who)
    table.create(session, _actor(user_id, provider.organization_id, request))
    user = table.need(UserRow, UserRow.at(user_id), "user")
    table.touch(user, add={"login_count": 1}, put={"last_login_at": clock.iso(clock.now())})
    return sessions.issue(session, who)


def _take(back: Returned, request: RequestInfo) -> dict[str, Any]:
    """What was kept for a state, in its own browser, once. Every failure looks alike."""
    row = table.get(TokenRow, TokenRow.at(back.state))
    if row is None or row.purpose != PURPOSE or not row.details:
        raise _unknown()
    details: dict[str, Any] = row.details
    if not hmac.compare_digest(details["browser"], _hash(back.browser or "")):
        logger.warning("a sign-in came back in another browser", security=True, ip=request.ip)
        raise _unknown()
    with table.transaction(_actor(None, details["organization_id"], request)) as writes:
        writes.delete(row, refused=_unknown())
    return details


def _by_slug(slug: str) -> IdentityProviderRow:
    found = table.get(SlugRow, SlugRow.at(slug))
    if found is None:
        raise _none()
    return _usable(_need_provider(UUID(found.organization_id)))


def _by_email(email: str) -> IdentityProviderRow:
    """The one provider that is found by this address's domain; where two claim it, the organization must be named."""
    try:
        domain = normal_email(email).rpartition("@")[2]
    except ValueError:
        raise _none() from None
    found = identity_providers.of_domain(domain)
    if len(found) > 1:
        raise BadRequest("Name the organization: several take this domain", code="sso_ambiguous")
    if not found or domain not in identity_providers.allowed_domains(
        _need_organization(UUID(found[0].organization_id))
    ):
        raise _none()
    return _usable(found[0])


def _usable(provider: IdentityProviderRow) -> IdentityProviderRow:
    _need_organization(UUID(provider.organization_id))
    return provider


def _need_provider(organization_id: UUID) -> IdentityProviderRow:
    try:
        return identity_providers.need(organization_id)
    except NotFound:
        raise _none() from None


def _need_organization(organization_id: UUID) -> Organization:
    row = table.get(OrganizationRow, OrganizationRow.at(organization_id))
    if row is None or not row.is_active:
        raise _none()
    return row.to_entity()  # type: ignore[no-any-return]


def _actor(user_id: UUID | None, organization_id: str, request: RequestInfo) -> dict[str, object]:
    who = Caller(user_id or UUID(int=0), UUID(organization_id), "", frozenset(), request=request).actor()
    return who if user_id else who | {"userId": None}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _none() -> NotFound:
    return NotFound("There is no single sign-on for this", code="sso_not_found")


def _unknown() -> BadRequest:
    return BadRequest(
        "This sign-in is not known here, was used, or has expired; start again in this browser",
        code="invalid_sso_state",
    )
