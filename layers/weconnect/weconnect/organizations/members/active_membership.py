"""The membership in whose name a user acts: user, member and organization, all of them active."""

from dataclasses import dataclass

from weconnect.db import table
from weconnect.identity.entities import StoredUser
from weconnect.identity.errors import AccountInactive
from weconnect.identity.permissions import limit_to_user_role
from weconnect.identity.rows import UserRow
from weconnect.organizations.entities import Organization, OrganizationMember
from weconnect.organizations.errors import NotAMember, OrganizationInactive
from weconnect.organizations.rows import MemberRow, OrganizationRow, RoleRow


@dataclass(frozen=True)
class ActiveMembership:
    """An active user who is an active member of an active organization."""

    user: StoredUser
    member: OrganizationMember
    organization: Organization
    custom_role: list[str] | None = None
    """The permissions of the member's custom role, if they have one."""

    def permissions(self) -> frozenset[str]:
        """Return the permissions that the user has in this organization."""
        granted = self.member.resolve_permissions(self.custom_role)
        return limit_to_user_role(granted, self.user.role)


def load_active_membership(user_id: object, organization_id: object) -> ActiveMembership:
    """Load a user's membership with its user and organization.

    Raises AccountInactive, NotAMember or OrganizationInactive when the user may not act there.
    """
    user_at, member_at = UserRow.at(user_id), MemberRow.at(organization_id, user_id)
    organization_at = OrganizationRow.at(organization_id)
    rows = table.get_many([user_at, member_at, organization_at])
    user_row, member_row, organization_row = rows.get(user_at), rows.get(member_at), rows.get(organization_at)
    if not isinstance(user_row, UserRow) or not user_row.is_active:
        raise AccountInactive()
    if not isinstance(member_row, MemberRow) or not isinstance(organization_row, OrganizationRow):
        raise NotAMember()
    member, organization = member_row.to_entity(), organization_row.to_entity()
    if not member.is_active:
        raise NotAMember()
    if not organization.is_active:
        raise OrganizationInactive()
    return ActiveMembership(user_row.to_entity(), member, organization, _load_custom_role_permissions(member))


def _load_custom_role_permissions(member: OrganizationMember) -> list[str] | None:
    """Return the permissions of the member's custom role; None without one or when it is gone."""
    if member.custom_role_id is None:
        return None
    row = table.get(RoleRow, RoleRow.at(member.organization_id, member.custom_role_id))
    return list(row.permissions) if row else None
