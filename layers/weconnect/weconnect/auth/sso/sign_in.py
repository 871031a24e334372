"""Signing in through an organization's identity provider: the redirect to it, and the way back.

A sign-in that was started is a one-time token for ten minutes. Its `state` travels with the user through the provider,
the nonce comes back inside the ID token, and the PKCE verifier never leaves us. A cookie ties the sign-in to the
browser that started it: a state from another browser, or one that was used, is worth nothing. `sign_in_methods`
restricts what the session may do.
"""

import hashlib
import hmac
import secrets
from typing import TypedDict, cast
from uuid import UUID

from weconnect import clock
from weconnect.actor import Actor
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.errors import (
    IdentityProviderNotFound,
    InvalidSsoState,
    SsoFailed,
    SsoNotFound,
)
from weconnect.auth.schemas import Tokens
from weconnect.auth.sessions import sessions, sign_in_methods
from weconnect.auth.sso import identity_providers, oidc, user_mapping
from weconnect.auth.sso.schemas import (
    SIGN_IN_SECONDS,
    ProviderCallback,
    SsoStart,
    SsoStarted,
    StartedSignIn,
)
from weconnect.db import table
from weconnect.hiding import Hiding, hide_and_cut
from weconnect.identity import waiting
from weconnect.identity.email_addresses import domain_of, normalize_email
from weconnect.identity.entities import EmailTrust
from weconnect.identity.errors import UserNotFound
from weconnect.identity.rows import IdentityProviderRow, TokenRow, UserRow
from weconnect.log import logger
from weconnect.organizations import slugs
from weconnect.organizations.domains import mail_domains
from weconnect.organizations.entities import Organization
from weconnect.organizations.members.active_membership import load_active_membership
from weconnect.organizations.rows import OrganizationRow

PURPOSE = "sso"


class SignInState(TypedDict):
    """The stored part of a started sign-in, in the `details` of its one-time token."""

    organization_id: str
    provider_version: int
    redirect_uri: str
    nonce: str
    verifier: str
    browser: str


def start(body: SsoStart, request: RequestInfo) -> StartedSignIn:
    """Start a sign-in; return the provider's address with all parameters, and the secret for the browser's cookie.

    Raises SsoNotFound.
    """
    provider = _find_by_slug(body.organization) if body.organization else _find_by_email(body.email or "")
    state, nonce, verifier, browser_secret = (secrets.token_urlsafe(32) for _ in range(4))
    redirect_uri = identity_providers.redirect_uri()
    pk, sk = TokenRow.at(state)
    details: SignInState = {
        "organization_id": provider.organization_id,
        "provider_version": provider.version,
        "redirect_uri": redirect_uri,
        "nonce": nonce,
        "verifier": verifier,
        "browser": _hash(browser_secret),
    }
    ttl = clock.epoch_seconds() + SIGN_IN_SECONDS
    row = TokenRow(pk=pk, sk=sk, purpose=PURPOSE, details=details, ttl=ttl)
    table.create(row, _build_actor(None, provider.organization_id, request))
    parameters = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": oidc.SCOPES,
        "state": state,
        "nonce": nonce,
        "code_challenge": oidc.pkce_challenge(verifier),
        "code_challenge_method": "S256",
    }
    if body.email:
        parameters["login_hint"] = body.email
    url = oidc.build_authorization_url(provider.endpoints["authorization"], parameters)
    return StartedSignIn(SsoStarted(authorization_url=url), browser_secret)


def finish(callback: ProviderCallback, request: RequestInfo) -> Tokens:
    """Complete a sign-in with the provider's redirect; return tokens for the organization that it was started for.

    Uses up the state. Raises InvalidSsoState, SsoFailed, IdentityProviderNotConfirmed, TooManyWaiting, or the errors of
    `resolve_user` and `require_allowed`.
    """
    state = _take_state(callback, request)
    organization_id = UUID(state["organization_id"])
    provider = _require_provider(organization_id)
    organization = _require_organization(organization_id)
    if provider.version != state["provider_version"]:
        raise SsoFailed("the organization has changed its identity provider in the meantime; start again")
    sign_in_methods.require_confirmed(provider, organization)
    endpoints = oidc.Endpoints(**provider.endpoints)
    if callback.issuer != provider.issuer and (callback.issuer is not None or endpoints.names_itself):
        raise SsoFailed("another issuer responded")
    client_secret = identity_providers.decrypt_secret(provider)
    with (
        waiting.require_lease(organization_id, 2 * oidc.TIMEOUT_SECONDS),
        Hiding([client_secret, state["verifier"], callback.code or ""]).active(),
    ):
        if callback.error or not callback.code:
            raise SsoFailed(f"it sent no code ({hide_and_cut(callback.error or 'no reason given', 100)!r})")
        token = oidc.exchange_code(
            endpoints,
            provider.client_id,
            client_secret,
            code=callback.code,
            verifier=state["verifier"],
            redirect_uri=state["redirect_uri"],
        )
        identity = oidc.verify_identity(
            endpoints,
            token,
            issuer=provider.issuer,
            client_id=provider.client_id,
            nonce=state["nonce"],
            trusts_issuer=provider.email_trust == EmailTrust.ISSUER,
        )
    user_id = user_mapping.resolve_user(provider, organization, identity, request)
    return _open_session(user_id, provider, identity, request)


def _open_session(
    user_id: UUID, provider: IdentityProviderRow, identity: oidc.Identity, request: RequestInfo
) -> Tokens:
    """Open a single sign-on session in the provider's organization, record the sign-in, and return the tokens."""
    membership = load_active_membership(user_id, provider.organization_id)
    session = sessions.build_session_row(
        user_id, membership.organization.id, request, mfa=identity.has_second_factor
    )
    session.set(sso_organization_id=provider.organization_id, sso_provider=provider.trust)
    sign_in_methods.require_allowed(session, membership)
    table.create(session, _build_actor(user_id, provider.organization_id, request))
    user = table.require(UserRow, UserRow.at(user_id), UserNotFound)
    table.touch(user, add={"login_count": 1}, put={"last_login_at": clock.iso(clock.now())})
    return sessions.issue_tokens(session, membership)


def _take_state(callback: ProviderCallback, request: RequestInfo) -> SignInState:
    """Use up a state and return what was stored for it. Raises InvalidSsoState, also in another browser."""
    row = table.get(TokenRow, TokenRow.at(callback.state))
    if row is None or row.purpose != PURPOSE or not row.details:
        raise InvalidSsoState()
    state = cast(SignInState, row.details)
    if not hmac.compare_digest(state["browser"], _hash(callback.browser_secret or "")):
        logger.warning("single sign-on finished in another browser", security=True, ip=request.ip)
        raise InvalidSsoState()
    with table.transaction(_build_actor(None, state["organization_id"], request)) as writes:
        writes.delete(row, if_refused=InvalidSsoState())
    return state


def _find_by_slug(slug: str) -> IdentityProviderRow:
    """Return the provider of the active organization with this slug. Raises SsoNotFound."""
    organization_id = slugs.find_organization(slug)
    if organization_id is None:
        raise SsoNotFound()
    return _require_usable(_require_provider(organization_id))


def _find_by_email(email: str) -> IdentityProviderRow:
    """Return the provider of the organization that proved the domain of an address. Raises SsoNotFound."""
    try:
        domain = domain_of(normalize_email(email))
    except ValueError:
        raise SsoNotFound() from None
    owner_id = mail_domains.find_owner(domain)
    if owner_id is None:
        raise SsoNotFound()
    allowed = identity_providers.allowed_domains(_require_organization(owner_id))
    if allowed and domain not in allowed:
        raise SsoNotFound()
    return _require_provider(owner_id)


def _require_usable(provider: IdentityProviderRow) -> IdentityProviderRow:
    """Return the provider. Raises SsoNotFound when its organization is missing or inactive."""
    _require_organization(UUID(provider.organization_id))
    return provider


def _require_provider(organization_id: UUID) -> IdentityProviderRow:
    """Return the provider of an organization. Raises SsoNotFound, also when the organization is missing."""
    try:
        return identity_providers.require_provider(organization_id)
    except IdentityProviderNotFound:
        raise SsoNotFound() from None


def _require_organization(organization_id: UUID) -> Organization:
    """Return an active organization. Raises SsoNotFound when it is missing or inactive."""
    row = table.get(OrganizationRow, OrganizationRow.at(organization_id))
    if row is None or not row.is_active:
        raise SsoNotFound()
    return row.to_entity()


def _build_actor(user_id: UUID | None, organization_id: str, request: RequestInfo) -> Actor:
    """Return the actor of a sign-in for the audit trail; without `user_id` it names no user."""
    caller = Caller(user_id or UUID(int=0), UUID(organization_id), "", frozenset(), request=request)
    actor = caller.actor()
    if user_id is None:
        del actor["userId"]
    return actor


def _hash(text: str) -> str:
    """Return the SHA-256 of a text in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
