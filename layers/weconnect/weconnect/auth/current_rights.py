"""The present rights of a user in an organization, read from the rows; the authorizer imports this: no PynamoDB here.

API keys are read at each request, access tokens at each request that is no GET. Both get their rights from
`resolve_membership`, so a role that was changed, or a membership that has ended, reaches both alike.
"""

import json
from dataclasses import dataclass
from typing import Any

from weconnect import aws, clock
from weconnect.auth.errors import SessionEnded, WrongOrganization
from weconnect.auth.sessions import session_rules
from weconnect.auth.sessions.session_rules import OpenSession, SecurityRules
from weconnect.auth.sessions.tokens import AccessClaims
from weconnect.errors import Problem, Unavailable
from weconnect.identity import keys, permissions
from weconnect.identity.errors import AccountInactive
from weconnect.organizations.errors import NotAMember, OrganizationInactive, OrganizationNotFound
from weconnect.settings import settings

Key = tuple[str, str]
Item = dict[str, Any]


@dataclass(frozen=True)
class Membership:
    """An active member of an active organization: their role and permissions, and the organization's rules."""

    role: str
    granted: frozenset[str]
    rules: SecurityRules


@dataclass(frozen=True)
class SessionRights:
    """The present rights of a session.

    `problem` bars it from its organization, and not from what is the user's own; role and permissions are then empty.
    """

    organization_id: str
    role: str = ""
    granted: frozenset[str] = frozenset()
    user_role: str = "user"
    is_operator: bool = False
    is_sso: bool = False
    lacks_second_factor: bool = False
    problem: Problem | None = None


class Rows:
    """The rows of one request by their keys, each read once and consistently, so that a revocation is exact."""

    def __init__(self, *keys_to_read: Key) -> None:
        self._items: dict[Key, Item | None] = {}
        self._read([*dict.fromkeys(keys_to_read)])

    def get(self, at: Key) -> Item | None:
        """Return the plain values of the row at a key, or None; a row that was not read before is read now."""
        if at not in self._items:
            self._read([at])
        return self._items[at]

    def _read(self, keys_to_read: list[Key]) -> None:
        """Read rows in one call. Raises Unavailable."""
        table = settings.table_name
        request_keys = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in keys_to_read]
        request = {"RequestItems": {table: {"Keys": request_keys, "ConsistentRead": True}}}
        response = aws.call("dynamodb", "BatchGetItem", request)
        if response.get("UnprocessedKeys"):
            raise build_unavailable()
        self._items |= dict.fromkeys(keys_to_read)
        for item in response["Responses"].get(table, []):
            self._items[item["pk"]["S"], item["sk"]["S"]] = _to_plain_values(item)


def resolve_session(access: AccessClaims, requested_id: str) -> SessionRights:
    """Return the rights that the session of an access token has now, in `requested_id` or the token's organization.

    One read, of session, user, member and organization, with the custom role and the identity provider where the token
    names one. Raises SessionEnded, AccountInactive, WrongOrganization or OrganizationNotFound.
    """
    organization_id = requested_id or access.organization_id
    keys_to_read = [
        keys.session(access.user_id, access.session_id),
        keys.user(access.user_id),
        keys.member(organization_id, access.user_id),
        keys.organization(organization_id),
    ]
    if access.role not in permissions.PERMISSIONS_BY_ROLE:
        keys_to_read.append(keys.role(organization_id, access.role))
    if access.is_sso:
        keys_to_read.append(keys.identity_provider(organization_id))
    rows = Rows(*keys_to_read)
    user = rows.get(keys.user(access.user_id))
    session = _require_session(rows, access, user)
    if not user or not user.get("isActive"):
        raise AccountInactive()
    is_operator = user["role"] == "admin" and user.get("emailVerified") is True and not session.is_sso
    if is_operator:
        if organization_id != access.organization_id and not rows.get(keys.organization(organization_id)):
            raise OrganizationNotFound()
        return SessionRights(
            organization_id, "owner", frozenset({permissions.EVERYTHING}), user["role"], is_operator
        )
    if organization_id != access.organization_id:
        raise WrongOrganization()
    signs_in_owners = _require_provider(rows, session, organization_id)
    try:
        membership = resolve_membership(rows, user, organization_id)
        session_rules.require_bound_organization(session, organization_id)
        session_rules.require_accepted_sign_in(
            session, membership.rules, membership.role, membership.granted, signs_in_owners=signs_in_owners
        )
        session_rules.refuse_timed_out(session, membership.rules)
    except Problem as problem:
        return SessionRights(organization_id, user_role=user["role"], is_sso=session.is_sso, problem=problem)
    return SessionRights(
        organization_id,
        membership.role,
        membership.granted,
        user["role"],
        is_sso=session.is_sso,
        lacks_second_factor=session_rules.lacks_second_factor(session, membership.rules),
    )


def resolve_membership(rows: Rows, user: Item, organization_id: str) -> Membership:
    """Return the membership of an active user. Raises NotAMember or OrganizationInactive."""
    member = rows.get(keys.member(organization_id, user["id"]))
    if not member or not member.get("isActive"):
        raise NotAMember()
    organization = rows.get(keys.organization(organization_id))
    if not organization or not organization.get("isActive"):
        raise OrganizationInactive()
    role_id = member.get("customRoleId")
    custom_role: list[str] | None = None
    if role_id:
        role_item = rows.get(keys.role(organization_id, role_id))
        custom_role = json.loads(role_item["permissions"]) if role_item else []
    own_flags = json.loads(member.get("permissions") or "{}")
    granted = permissions.effective_permissions(member["role"], own_flags, custom_role)
    security = json.loads(organization.get("customSettings") or "{}").get("security")
    return Membership(
        permissions.effective_role(member["role"], role_id),
        permissions.limit_to_user_role(granted, user["role"]),
        SecurityRules.of(security),
    )


def build_unavailable() -> Unavailable:
    """Return the Unavailable problem for credentials that cannot be verified now."""
    return Unavailable("Credentials cannot be verified at present. Try again shortly.")


def _require_session(rows: Rows, access: AccessClaims, user: Item | None) -> OpenSession:
    """Return the facts of the session of an access token. Raises SessionEnded, also for an expired one."""
    item = rows.get(keys.session(access.user_id, access.session_id))
    if not item or int(item.get("ttl") or 0) <= clock.epoch_seconds():
        raise SessionEnded()
    has_second_factor = item.get("mfa") is True and bool(user and user.get("mfaEnabled"))
    return OpenSession(
        item["createdAt"], has_second_factor, item.get("ssoOrganizationId"), item.get("ssoProvider")
    )


def _require_provider(rows: Rows, session: OpenSession, organization_id: str) -> bool:
    """Return whether the provider that opened the session signs in owners; False for a session by password.

    Raises SessionEnded when the organization has no provider any more, or another one.
    """
    if not session.is_sso:
        return False
    item = rows.get(keys.identity_provider(organization_id))
    trust = keys.provider_trust(item["issuer"], item["clientId"]) if item else None
    session_rules.require_same_provider(session, trust)
    return bool(item and item.get("signsInOwners"))


def _to_plain_values(item: dict[str, Any]) -> Item:
    """Return strings and booleans as they are, and numbers as text; the authorizer needs nothing else."""
    return {name: value.get("S", value.get("BOOL", value.get("N"))) for name, value in item.items()}
