"""With which rights a job works: those that its caller had when they asked, as far as they still have them."""

from typing import Any
from uuid import UUID

from weconnect.api.caller import EVERYTHING, Caller, RequestInfo
from weconnect.auth.api_keys import api_keys
from weconnect.auth.rows import UserRow
from weconnect.auth.sessions import sessions
from weconnect.db import table
from weconnect.errors import Forbidden
from weconnect.identity.permissions import spelled_out


def kept(caller: Caller) -> dict[str, Any]:
    """The caller as a JSON value."""
    return {
        "userId": str(caller.user_id),
        "apiKeyId": str(caller.api_key_id) if caller.api_key_id else None,
        "role": caller.role,
        "permissions": sorted(caller.permissions),
        "scopes": None if caller.scopes is None else sorted(caller.scopes),
        "operator": caller.is_operator,
        "sso": caller.sso,
        "request": {
            "id": caller.request.id,
            "ip": caller.request.ip,
            "user_agent": caller.request.user_agent,
        },
    }


def now(found: dict[str, Any], organization_id: UUID, job_id: UUID) -> Caller:
    """The caller that `kept` kept, with what they hold of it today.

    Raises Unauthenticated, Forbidden or NotFound when they may not act in the organization any more: removed, not
    active, their key revoked or expired.
    """
    user_id, key_id = UUID(found["userId"]), found["apiKeyId"]
    if found["operator"]:
        role, held = _operator(user_id)
    else:
        who = sessions.standing(user_id, organization_id)
        role, held = who.member.role, who.permissions()
    if key_id:
        held = api_keys.still_grants(organization_id, user_id, UUID(key_id), held)
    before = spelled_out(frozenset(found["permissions"]))
    return Caller(
        user_id,
        organization_id,
        # Who is, or was, a plain member changes only what they made themselves.
        found["role"] if found["role"] == "member" else role,
        before & spelled_out(held),
        api_key_id=UUID(key_id) if key_id else None,
        is_operator=found["operator"],
        sso=found["sso"],
        scopes=None if found["scopes"] is None else frozenset(found["scopes"]),
        job_id=job_id,
        request=RequestInfo(**found["request"]),
    )


def _operator(user_id: UUID) -> tuple[str, frozenset[str]]:
    user = table.need(UserRow, UserRow.at(user_id), "user").to_entity()
    if not user.is_active or not sessions.is_operator(user):
        raise Forbidden("This user does not operate the deployment any more", code="permission_missing")
    return "owner", frozenset({EVERYTHING})
