"""The authorizer of the gateway: it finds the caller of every request that is not public, or the problem with them.

It never denies, because a denial would be the gateway's own 403. It puts the problem into its context, and
`weconnect.api.caller` raises it as an ordinary one. No PynamoDB, botocore or pydantic is imported here: this runs
before each request, and every request pays for its cold start.
"""

import hashlib
import ipaddress
import json
import re
from datetime import datetime
from typing import Any

from weconnect import aws, clock
from weconnect.auth.api_keys import rate_limits
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

Key = tuple[str, str]
Item = dict[str, Any]


def authorize(event: dict[str, Any]) -> dict[str, Any]:
    """Return the gateway's simple response: always authorized, with a context of flat strings for `read_caller`."""
    try:
        context = identify_caller(event)
    except Problem as problem:
        context = _build_problem_context(problem)
    except Exception:
        _logger.exception("authorizer failed")
        context = _build_problem_context(_build_unavailable())
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
        return _identify_by_token(token.strip(), requested_id)
    if text := headers.get("x-api-key"):
        return _identify_by_api_key(text, requested_id, event["requestContext"]["http"]["sourceIp"])
    raise Unauthenticated("Send an access token (Authorization: Bearer <token>) or an API key (X-API-Key).")


def _identify_by_token(token: str, requested_id: str) -> dict[str, str]:
    """Return the caller's context from an access token; operators may enter any organization."""
    access = tokens.verify_access_token(token)
    organization_id, role, granted = access.organization_id, access.role, access.permissions
    if requested_id and requested_id != organization_id:
        if not access.is_operator:
            raise WrongOrganization()
        if not _read_item(keys.organization(requested_id)):
            raise OrganizationNotFound()
        organization_id = requested_id
    if access.is_operator:
        role, granted = "owner", (permissions.EVERYTHING,)
    return {
        "userId": access.user_id,
        "organizationId": organization_id,
        "role": role,
        "permissions": " ".join(granted),
        "sessionId": access.session_id,
        "apiKeyId": "",
        "operator": "true" if access.is_operator else "",
        "userRole": access.user_role,
        "needsSecondFactor": "true" if access.lacks_second_factor else "",
        "sso": "true" if access.is_sso else "",
    }


def _identify_by_api_key(text: str, requested_id: str, ip: str) -> dict[str, str]:
    """Return the caller's context from an API key, after counting the request against its rate limits."""
    key_hash = hashlib.sha256(text.encode()).hexdigest()
    api_key = _read_item(keys.api_key(key_hash)) if _API_KEY_TEXT.fullmatch(text) else None
    flags = _check_api_key(api_key, ip)
    assert api_key
    user_id, organization_id = api_key["userId"], api_key["organizationId"]
    if requested_id and requested_id != organization_id:
        raise WrongOrganization()
    user, member, organization = _load_membership(user_id, organization_id)
    scopes = json.loads(api_key.get("scopes", "[]"))
    granted = permissions.limit_to_api_key(_compute_member_permissions(user, member), scopes, flags)
    security = json.loads(organization.get("customSettings", "{}")).get("security") or {}
    if security.get("enforce_sso") and api_key.get("madeBy") != "sso":
        raise SsoRequired(
            "This organization accepts only API keys that were created in a session of single sign-on."
        )
    rate_headers = rate_limits.count_request(key_hash, json.loads(api_key.get("rateLimits", "{}")))
    _record_use(key_hash, api_key.get("lastUsedAt"))
    return {
        "userId": user_id,
        "organizationId": organization_id,
        "role": member["role"],
        "permissions": " ".join(sorted(granted)),
        "scopes": " ".join(sorted(permissions.limit_to_api_key(permissions.ALL_PERMISSIONS, scopes, flags))),
        "sessionId": "",
        "apiKeyId": api_key["id"],
        "operator": "",
        "userRole": user["role"],
        "needsSecondFactor": "true" if _lacks_second_factor(user, api_key, security) else "",
        "headers": json.dumps(rate_headers) if rate_headers else "",
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


def _load_membership(user_id: str, organization_id: str) -> tuple[Item, Item, Item]:
    """Return user, member and organization, all of them active; raise an error otherwise."""
    user, member, organization = _read_items(
        [keys.user(user_id), keys.member(organization_id, user_id), keys.organization(organization_id)]
    )
    if not user or not user.get("isActive"):
        raise AccountInactive("The user of this API key is not active.")
    if not member or not member.get("isActive") or (member.get("invitedAt") and not member.get("joinedAt")):
        raise NotAMember("The user of this API key is not a member of the organization.")
    if not organization or not organization.get("isActive"):
        raise OrganizationInactive("The organization of this API key is not active.")
    return user, member, organization


def _compute_member_permissions(user: Item, member: Item) -> frozenset[str]:
    """Return the member's permissions (role or custom role, own flags) that the user's role allows."""
    custom_role = _load_custom_role_permissions(member["organizationId"], member.get("customRoleId"))
    own = json.loads(member.get("permissions", "{}"))
    granted = permissions.effective_permissions(member["role"], own, custom_role)
    return permissions.limit_to_user_role(granted, user["role"])


def _load_custom_role_permissions(organization_id: str, role_id: str | None) -> list[str] | None:
    """Return the permissions of a member's custom role, none if the role is gone; None for a member without one."""
    if not role_id:
        return None
    row = _read_item(keys.role(organization_id, role_id))
    return list(json.loads(row["permissions"])) if row else []


def _lacks_second_factor(user: Item, api_key: Item, security: dict[str, Any]) -> bool:
    """Return whether the organization enforces a second factor that the key's user does not have."""
    has_second_factor = user.get("mfaEnabled") or api_key.get("madeBy") == "sso"
    return bool(security.get("enforce_mfa")) and not has_second_factor


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


def _read_item(at: Key) -> Item | None:
    """Return the plain values of the row at a key, read consistently, or None."""
    return _read_items([at])[0]


def _read_items(keys_to_read: list[Key]) -> list[Item | None]:
    """Return the plain values of the rows at these keys, in order; read consistently, so that a revocation is exact."""
    table = settings.table_name
    request_keys = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in keys_to_read]
    request = {"RequestItems": {table: {"Keys": request_keys, "ConsistentRead": True}}}
    response = aws.call("dynamodb", "BatchGetItem", request)
    if response.get("UnprocessedKeys"):
        raise _build_unavailable()
    items = {
        (item["pk"]["S"], item["sk"]["S"]): _to_plain_values(item)
        for item in response["Responses"].get(table, [])
    }
    return [items.get(at) for at in keys_to_read]


def _to_plain_values(item: dict[str, Any]) -> Item:
    """Return strings and booleans as they are; the authorizer needs nothing else."""
    return {name: value.get("S", value.get("BOOL")) for name, value in item.items()}


def _build_unavailable() -> Unavailable:
    """Return the Unavailable problem for credentials that cannot be verified now."""
    return Unavailable("Credentials cannot be verified at present. Try again shortly.")


def _build_problem_context(problem: Problem) -> dict[str, str]:
    """Return the authorizer's context for a problem: `{"problem": "<JSON>"}`; a 401 asks for Bearer."""
    headers = dict(problem.headers)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    relayed = {
        "status": problem.status,
        "code": problem.code,
        "title": problem.title,
        "detail": problem.detail,
        "headers": headers,
    }
    return {"problem": json.dumps(relayed)}
