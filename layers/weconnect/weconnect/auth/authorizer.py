"""The authorizer of the gateway: it finds the caller of every request that is not public, or the problem with them.

It never denies, because a denial would be the gateway's own 403. It puts the problem into its context, and
`weconnect.api.caller` raises it as an ordinary one. No PynamoDB, botocore or pydantic is imported here: this runs
before each request, and every request pays for its cold start.
"""

import hashlib
import ipaddress
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from weconnect import aws, clock
from weconnect.auth import request_rates
from weconnect.auth.api_keys import rate_limits
from weconnect.auth.current_rights import (
    Item,
    Membership,
    Rows,
    SessionRights,
    build_unavailable,
    resolve_membership,
    resolve_session,
)
from weconnect.auth.errors import (
    ApiKeyExpired,
    InvalidAccessToken,
    InvalidApiKey,
    IpNotAllowed,
    SsoRequired,
    WrongOrganization,
)
from weconnect.auth.sessions import tokens
from weconnect.errors import Problem, Unauthenticated, Unavailable
from weconnect.identity import keys, permissions
from weconnect.identity.errors import AccountInactive
from weconnect.organizations.errors import NotAMember, OrganizationInactive, OrganizationNotFound
from weconnect.redaction import get_plain_logger
from weconnect.security import signing
from weconnect.settings import settings

USE_INTERVAL_SECONDS = 60
MAX_REMEMBERED_USES = 10_000
_API_KEY_TEXT = re.compile(r"wc_[A-Za-z0-9_-]{43}")

_logger = get_plain_logger(__name__)
_uses_by_key_hash: dict[str, int] = {}


def authorize(event: dict[str, Any]) -> dict[str, Any]:
    """Return the gateway's simple response: always authorized, with a context of flat strings for `read_caller`."""
    try:
        context = identify_caller(event)
        if rate_headers := request_rates.count_request(context):
            context = {"headers": json.dumps(rate_headers), **context}  # an API key's own limits come first
    except Problem as problem:
        context = _build_problem_context(problem)
    except Exception:
        _logger.exception("authorizer failed")
        context = _build_problem_context(build_unavailable())
    return {"isAuthorized": True, "context": context}


def prepare() -> None:
    """Read the signing secret while Lambda starts the function, with a whole CPU. A failure is left to a request."""
    if not settings.initialization_type:
        return
    try:
        signing.current_key()
    except Unavailable:
        _logger.exception("signing secret not read")


def identify_caller(event: dict[str, Any]) -> dict[str, str]:
    """Return the context of an event's caller (payload format 2.0); raise the Problem with its credentials."""
    headers = event.get("headers") or {}
    requested_id = headers.get("x-organization-id", "").strip().lower()
    if authorization := headers.get("authorization"):
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise InvalidAccessToken("Send an access token: Authorization: Bearer <token>.")
        http = event.get("requestContext", {}).get("http", {})
        return _identify_by_token(token.strip(), requested_id, http.get("method", ""))
    if text := headers.get("x-api-key"):
        return _identify_by_api_key(text, requested_id, event["requestContext"]["http"]["sourceIp"])
    raise Unauthenticated("Send an access token (Authorization: Bearer <token>) or an API key (X-API-Key).")


def _identify_by_token(token: str, requested_id: str, method: str) -> dict[str, str]:
    """Return the caller's context from an access token; operators may enter any organization.

    The token alone answers for a GET. For every other method the rows do: a token must not write for 15 minutes after
    its session, its user or their membership has ended, nor with a role that was taken away.
    """
    access = tokens.verify_access_token(token)
    with _counting_refusals(access.user_id, access.organization_id, is_operator=access.is_operator):
        is_read = method == "GET"
        rights = _trust_claims(access, requested_id) if is_read else resolve_session(access, requested_id)
    context = {
        "userId": access.user_id,
        "organizationId": rights.organization_id,
        "role": rights.role,
        "permissions": " ".join(sorted(rights.granted)),
        "sessionId": access.session_id,
        "apiKeyId": "",
        "operator": "true" if rights.is_operator else "",
        "userRole": rights.user_role,
        "needsSecondFactor": "true" if rights.lacks_second_factor else "",
        "sso": "true" if rights.is_sso else "",
    }
    if rights.problem:
        context["membershipProblem"] = json.dumps(_to_relayed(rights.problem))
    return context


@contextmanager
def _counting_refusals(user_id: str, organization_id: str, *, is_operator: bool = False) -> Iterator[None]:
    """Count a request that is refused although its credentials are valid: it costs as much as others.

    Raises RateLimited in place of the refusal when a limit is used up.
    """
    try:
        yield
    except Problem:
        operator = "true" if is_operator else ""
        request_rates.count_request(
            {"userId": user_id, "organizationId": organization_id, "operator": operator}
        )
        raise


def _trust_claims(access: tokens.AccessClaims, requested_id: str) -> SessionRights:
    """Return the rights that an access token states. Raises WrongOrganization or OrganizationNotFound."""
    organization_id, role, granted = access.organization_id, access.role, frozenset(access.permissions)
    if requested_id and requested_id != organization_id:
        if not access.is_operator:
            raise WrongOrganization()
        at = keys.organization(requested_id)
        if not Rows(at).get(at):
            raise OrganizationNotFound()
        organization_id = requested_id
    if access.is_operator:
        role, granted = "owner", frozenset({permissions.EVERYTHING})
    return SessionRights(
        organization_id,
        role,
        granted,
        access.user_role,
        access.is_operator,
        access.is_sso,
        access.lacks_second_factor,
    )


def _identify_by_api_key(text: str, requested_id: str, ip: str) -> dict[str, str]:
    """Return the caller's context from an API key, after counting the request against its rate limits."""
    key_hash = hashlib.sha256(text.encode()).hexdigest()
    at = keys.api_key(key_hash)
    api_key = Rows(at).get(at) if _API_KEY_TEXT.fullmatch(text) else None
    flags = _check_api_key(api_key, ip)
    assert api_key
    user_id, organization_id = api_key["userId"], api_key["organizationId"]
    is_made_by_sso = api_key.get("madeBy") == "sso"
    with _counting_refusals(user_id, organization_id):
        if requested_id and requested_id != organization_id:
            raise WrongOrganization()
        user, membership = _load_membership(user_id, organization_id)
        if membership.rules.enforce_sso and not is_made_by_sso:
            raise SsoRequired(
                "This organization accepts only API keys that were created in a session of single sign-on."
            )
    scopes = json.loads(api_key.get("scopes", "[]"))
    granted = permissions.limit_to_api_key(membership.granted, scopes, flags)
    has_second_factor = user.get("mfaEnabled") or is_made_by_sso
    rate_headers = rate_limits.count_request(key_hash, json.loads(api_key.get("rateLimits", "{}")))
    _record_use(key_hash, api_key.get("lastUsedAt"))
    return {
        "userId": user_id,
        "organizationId": organization_id,
        "role": membership.role,
        "permissions": " ".join(sorted(granted)),
        "scopes": " ".join(sorted(permissions.limit_to_api_key(permissions.ALL_PERMISSIONS, scopes, flags))),
        "sessionId": "",
        "apiKeyId": api_key["id"],
        "operator": "",
        "userRole": user["role"],
        "needsSecondFactor": "true" if membership.rules.enforce_mfa and not has_second_factor else "",
        **({"headers": json.dumps(rate_headers)} if rate_headers else {}),
    }


def _check_api_key(api_key: Item | None, ip: str) -> dict[str, Any]:
    """Return the flags of a key (`can_read`, …) that works now and at this address; raise an error otherwise."""
    if not api_key or not api_key.get("isActive"):
        raise InvalidApiKey()
    if (expires := api_key.get("expiresAt")) and datetime.fromisoformat(expires) <= clock.now():
        raise ApiKeyExpired()
    flags: dict[str, Any] = json.loads(api_key.get("permissions", "{}"))
    if not _is_ip_allowed(ip, flags.get("restricted_ips")):
        raise IpNotAllowed()
    return flags


def _load_membership(user_id: str, organization_id: str) -> tuple[Item, Membership]:
    """Return the user of an API key and their membership, both active; raise an error otherwise."""
    rows = Rows(keys.user(user_id), keys.member(organization_id, user_id), keys.organization(organization_id))
    user = rows.get(keys.user(user_id))
    if not user or not user.get("isActive"):
        raise AccountInactive("The user of this API key is not active.")
    try:
        return user, resolve_membership(rows, user, organization_id)
    except NotAMember:
        raise NotAMember("The user of this API key is not a member of the organization.") from None
    except OrganizationInactive:
        raise OrganizationInactive("The organization of this API key is not active.") from None


def _is_ip_allowed(ip: str, ranges: list[str] | None) -> bool:
    """Return whether an address is in one of the CIDR ranges; None allows every address."""
    if ranges is None:
        return True
    address = ipaddress.ip_address(ip)
    address = getattr(address, "ipv4_mapped", None) or address
    networks = [ipaddress.ip_network(text) for text in ranges]
    return any(address in network for network in networks if network.version == address.version)


def _record_use(key_hash: str, last_used_at: str | None) -> None:
    """Count a use of an API key, and store the count of this process at most once a minute.

    The count of a process that ends is lost, so `usageCount` is a lower bound.
    """
    if len(_uses_by_key_hash) > MAX_REMEMBERED_USES:
        _uses_by_key_hash.clear()
    _uses_by_key_hash[key_hash] = _uses_by_key_hash.get(key_hash, 0) + 1
    moment = clock.now()
    if last_used_at:
        idle_seconds = (moment - datetime.fromisoformat(last_used_at)).total_seconds()
        if idle_seconds < USE_INTERVAL_SECONDS:
            return
    pk, sk = keys.api_key(key_hash)
    values = {":now": {"S": clock.iso(moment)}, ":uses": {"N": str(_uses_by_key_hash[key_hash])}}
    condition = "attribute_not_exists(lastUsedAt)"
    if last_used_at:
        condition, values[":before"] = "lastUsedAt = :before", {"S": last_used_at}
    request = {
        "TableName": settings.table_name,
        "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
        "UpdateExpression": "SET lastUsedAt = :now ADD usageCount :uses",
        "ConditionExpression": f"attribute_exists(pk) AND {condition}",
        "ExpressionAttributeValues": values,
    }
    try:
        aws.call("dynamodb", "UpdateItem", request, attempts=1)
    except aws.AwsError:
        return  # another process stored its count, or the next use will
    _uses_by_key_hash[key_hash] = 0


def _build_problem_context(problem: Problem) -> dict[str, str]:
    """Return the authorizer's context for a problem: `{"problem": "<JSON>"}`; a 401 asks for Bearer."""
    return {"problem": json.dumps(_to_relayed(problem))}


def _to_relayed(problem: Problem) -> dict[str, Any]:
    """Return what `weconnect.api.caller` makes the problem of again."""
    headers = dict(problem.headers)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return {
        "status": problem.status,
        "code": problem.code,
        "title": problem.title,
        "detail": problem.detail,
        "headers": headers,
    }
