"""The rights of a job: those that its caller had when they created it, as far as they still have them."""

from uuid import UUID

from weconnect.api.caller import EVERYTHING, Caller, RequestInfo
from weconnect.api.errors import PermissionMissing
from weconnect.auth.api_keys import api_keys
from weconnect.db import table
from weconnect.identity.errors import UserNotFound
from weconnect.identity.permissions import ROLES_OVER_OTHERS, expand_permissions
from weconnect.identity.rows import UserRow
from weconnect.identity.verified_addresses import is_operator
from weconnect.jobs.rows import StoredCaller
from weconnect.organizations.members.active_membership import load_active_membership


def snapshot_caller(caller: Caller) -> StoredCaller:
    """Return the caller as the JSON that a job stores."""
    return {
        "userId": str(caller.user_id),
        "apiKeyId": str(caller.api_key_id) if caller.api_key_id else None,
        "role": caller.role,
        "permissions": sorted(caller.permissions),
        "scopes": None if caller.scopes is None else sorted(caller.scopes),
        "operator": caller.is_operator,
        "sso": caller.is_sso,
        "request": {
            "id": caller.request.id,
            "ip": caller.request.ip,
            "user_agent": caller.request.user_agent,
        },
    }


def restore_caller(stored: StoredCaller, organization_id: UUID, job_id: UUID) -> Caller:
    """Return the caller of `snapshot_caller` with those of their rights that they still have today.

    Raises Unauthenticated, Forbidden or NotFound when they may not act in the organization any more: removed, inactive,
    or their API key was revoked or has expired.
    """
    user_id, api_key_id = UUID(stored["userId"]), stored["apiKeyId"]
    if stored["operator"]:
        role, granted = _load_operator_rights(user_id)
    else:
        membership = load_active_membership(user_id, organization_id)
        role, granted = membership.member.effective_role, membership.permissions()
    if api_key_id:
        granted = api_keys.restrict_to_api_key(organization_id, user_id, UUID(api_key_id), granted)
    granted_before = expand_permissions(frozenset(stored["permissions"]))
    return Caller(
        user_id,
        organization_id,
        # Who was neither an owner nor an admin at the request changes only what they created themselves.
        role if stored["role"] in ROLES_OVER_OTHERS else stored["role"],
        granted_before & expand_permissions(granted),
        api_key_id=UUID(api_key_id) if api_key_id else None,
        is_operator=stored["operator"],
        is_sso=stored["sso"],
        scopes=None if stored["scopes"] is None else frozenset(stored["scopes"]),
        job_id=job_id,
        request=RequestInfo(**stored["request"]),
    )


def _load_operator_rights(user_id: UUID) -> tuple[str, frozenset[str]]:
    """Return the role and permissions of an operator: all. Raises UserNotFound or PermissionMissing."""
    user = table.require(UserRow, UserRow.at(user_id), UserNotFound).to_entity()
    if not user.is_active or not is_operator(user):
        raise PermissionMissing("This user no longer operates the deployment.")
    return "owner", frozenset({EVERYTHING})
