"""Who is calling? One answer for every request that is not public: the caller, or the problem with them.

It never denies, because a denial would be the gateway's own 403: what is wrong stands in the answer's
context, and the route's `Caller` raises it as an ordinary problem. No PynamoDB, botocore or pydantic is imported here:
this runs before each request, and its cold start is everybody's.
"""

import hashlib
import ipaddress
import json
import re
from datetime import datetime
from typing import Any

from weconnect import aws, clock
from weconnect.auth.api_keys import rate_limits
from weconnect.auth.sessions import tokens
from weconnect.errors import Forbidden, NotFound, Problem, Unauthenticated, Unavailable
from weconnect.identity import keys, permissions
from weconnect.settings import settings

USE_SECONDS = 60
_KEY_TEXT = re.compile(r"wc_[A-Za-z0-9_-]{43}")

_uses: dict[str, int] = {}


def answer(event: dict[str, Any]) -> dict[str, Any]:
    """The gateway's simple response: always authorized, with flat strings for `caller.from_event`."""
    try:
        context = identify(event)
    except Problem as problem:
        context = _refusal(problem)
    except Exception:
        from weconnect.log import logger  # only failures pay for it

        logger.exception("authorizer failed")
        context = _refusal(Unavailable("Who you are cannot be checked now; try again shortly"))
    return {"isAuthorized": True, "context": context}


def identify(event: dict[str, Any]) -> dict[str, str]:
    """The caller of an authorizer event (payload 2.0); raises the problem with them."""
    headers = event.get("headers") or {}
    wanted = headers.get("x-organization-id", "").strip().lower()
    if authorization := headers.get("authorization"):
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Send Authorization: Bearer and an access token", code="invalid_token")
        return _by_token(token.strip(), wanted)
    if text := headers.get("x-api-key"):
        return _by_api_key(text, wanted, event["requestContext"]["http"]["sourceIp"])
    raise Unauthenticated("Send Authorization: Bearer and an access token, or X-API-Key")


def _by_token(token: str, wanted: str) -> dict[str, str]:
    access = tokens.read_access(token)
    organization, role, granted = access.organization_id, access.role, access.permissions
    if wanted and wanted != organization:
        if not access.operator:
            raise _wrong_organization()
        if not _item(keys.organization(wanted)):
            raise NotFound("No such organization", code="organization_not_found")
        organization = wanted
    if access.operator:
        role, granted = "owner", (permissions.EVERYTHING,)
    return {
        "userId": access.user_id,
        "organizationId": organization,
        "role": role,
        "permissions": " ".join(granted),
        "sessionId": access.session_id,
        "apiKeyId": "",
        "operator": "true" if access.operator else "",
        "userRole": access.user_role,
        "needsSecondFactor": "true" if access.needs_second_factor else "",
        "sso": "true" if access.sso else "",
    }


def _by_api_key(text: str, wanted: str, ip: str) -> dict[str, str]:
    found = None
    if _KEY_TEXT.fullmatch(text):
        key_hash = hashlib.sha256(text.encode()).hexdigest()
        found = _item(keys.api_key(key_hash))
    if not found or not found.get("isActive"):
        raise Unauthenticated("This API key does not exist or was revoked", code="invalid_api_key")
    if (expires := found.get("expiresAt")) and datetime.fromisoformat(expires) <= clock.now():
        raise Unauthenticated("This API key has expired", code="api_key_expired")
    flags = json.loads(found.get("permissions", "{}"))
    if not _ip_allowed(ip, flags.get("restricted_ips")):
        raise Forbidden("This API key may not be used from this address", code="ip_not_allowed")
    user_id, organization_id = found["userId"], found["organizationId"]
    if wanted and wanted != organization_id:
        raise _wrong_organization()
    at = [keys.user(user_id), keys.member(organization_id, user_id), keys.organization(organization_id)]
    user, member, organization = _items(at)
    if not user or not user.get("isActive"):
        raise Unauthenticated("This key's user is not active", code="account_inactive")
    if not member or not member.get("isActive") or (member.get("invitedAt") and not member.get("joinedAt")):
        raise Forbidden("This key's user is not a member of the organization", code="not_a_member")
    if not organization or not organization.get("isActive"):
        raise Forbidden("This key's organization is not active", code="organization_inactive")
    custom_role = _custom_role(organization_id, member.get("customRoleId"))
    own = json.loads(member.get("permissions", "{}"))
    granted = permissions.effective(member["role"], own, custom_role)
    granted = permissions.within_user_role(granted, user["role"])
    scopes = json.loads(found.get("scopes", "[]"))
    granted = permissions.of_api_key(granted, scopes, flags)
    security = json.loads(organization.get("customSettings", "{}")).get("security") or {}
    if security.get("enforce_sso") and found.get("madeBy") != "sso":
        raise Forbidden(
            "This organization takes only keys that were made after signing in through its identity provider",
            code="sso_required",
        )
    headers = rate_limits.take(key_hash, json.loads(found.get("rateLimits", "{}")))
    _note_use(key_hash, found.get("lastUsedAt"))
    return {
        "userId": user_id,
        "organizationId": organization_id,
        "role": member["role"],
        "permissions": " ".join(sorted(granted)),
        "scopes": " ".join(sorted(permissions.of_api_key(permissions.WORDS, scopes, flags))),
        "sessionId": "",
        "apiKeyId": found["id"],
        "operator": "",
        "userRole": user["role"],
        "needsSecondFactor": "true" if _lacks_second_factor(user, found, security) else "",
        "headers": json.dumps(headers) if headers else "",
    }


def _custom_role(organization_id: str, role_id: str | None) -> list[str] | None:
    """The words of a member's custom role, none for one that is not there; None without one."""
    if not role_id:
        return None
    row = _item(keys.role(organization_id, role_id))
    return list(json.loads(row["permissions"])) if row else []


def _lacks_second_factor(user: dict[str, Any], api_key: dict[str, Any], security: dict[str, Any]) -> bool:
    shown = user.get("mfaEnabled") or api_key.get("madeBy") == "sso"
    return bool(security.get("enforce_mfa")) and not shown


def _ip_allowed(ip: str, ranges: list[str] | None) -> bool:
    if ranges is None:
        return True
    address = ipaddress.ip_address(ip)
    address = getattr(address, "ipv4_mapped", None) or address
    networks = [ipaddress.ip_network(text) for text in ranges]
    return any(address in network for network in networks if network.version == address.version)


def _note_use(key_hash: str, last_used_at: str | None) -> None:
    """Count a use; write it down at most once a minute, with what this process has seen since.

    A process that ends takes its count along: `usageCount` is a lower bound.
    """
    if len(_uses) > 10_000:
        _uses.clear()
    _uses[key_hash] = _uses.get(key_hash, 0) + 1
    moment = clock.now()
    if last_used_at and (moment - datetime.fromisoformat(last_used_at)).total_seconds() < USE_SECONDS:
        return
    pk, sk = keys.api_key(key_hash)
    values = {":now": {"S": clock.iso(moment)}, ":uses": {"N": str(_uses[key_hash])}}
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
        return  # another process wrote it down, or the next use will
    _uses[key_hash] = 0


def _item(at: tuple[str, str]) -> dict[str, Any] | None:
    return _items([at])[0]


def _items(at: list[tuple[str, str]]) -> list[dict[str, Any] | None]:
    """The plain values of the rows at these keys, in order; consistent, so that a revocation is exact."""
    wanted = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in at]
    table = settings.table_name
    request = {"RequestItems": {table: {"Keys": wanted, "ConsistentRead": True}}}
    found = aws.call("dynamodb", "BatchGetItem", request)
    if found.get("UnprocessedKeys"):
        raise Unavailable("Who you are cannot be checked now; try again shortly")
    rows = {(row["pk"]["S"], row["sk"]["S"]): _plain(row) for row in found["Responses"].get(table, [])}
    return [rows.get(key) for key in at]


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """Texts and flags as they are; nothing else is needed here."""
    return {name: value.get("S", value.get("BOOL")) for name, value in item.items()}


def _wrong_organization() -> Forbidden:
    return Forbidden(
        "X-Organization-Id names another organization than the one you are signed in to",
        code="wrong_organization",
    )


def _refusal(problem: Problem) -> dict[str, str]:
    headers = dict(problem.headers)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    found = {"status": problem.status, "code": problem.code, "detail": problem.detail, "headers": headers}
    return {"problem": json.dumps(found)}
