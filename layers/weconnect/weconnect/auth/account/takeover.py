"""The takeover of an account by a password reset when its address was not proved before.

Another person may have registered with the address, so all that would keep a way in or out is dropped: the user's API
keys, and in the organizations that they own the identity provider with its linked subjects, invitations, mail domains,
links and active workflows. The second factor and the sessions go with the password (`login/password_changes`).
Entities, such as the definitions of workflows, stay.
"""

from uuid import UUID

from weconnect import registry, registry_index
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.rows import IdentityOfUserRow, IdentityRow
from weconnect.auth.sso import identity_providers
from weconnect.db import table
from weconnect.organizations.domains import mail_domains
from weconnect.organizations.entities import OrganizationRole
from weconnect.organizations.invitations import invitations
from weconnect.organizations.members import membership
from weconnect.organizations.rows import InvitationRow, MemberRow, OrganizationRow


def drop_access(user_id: str, request: RequestInfo, *, with_organizations: bool) -> None:
    """Revoke a user's API keys; `with_organizations` also closes the organizations that they own. Idempotent."""
    for match in MemberRow.gsi1.query(MemberRow.of_user(user_id)):
        member = table.get(MemberRow, (match.pk, match.sk))
        if member is None:
            continue
        organization_id = UUID(member.organization_id)
        membership.revoke_api_keys(request.actor(user_id), organization_id, UUID(user_id))
        if with_organizations and member.role == OrganizationRole.OWNER:
            owner = Caller(UUID(user_id), organization_id, member.role, frozenset({"*"}), request=request)
            _close_organization(owner)


def _close_organization(owner: Caller) -> None:
    """Drop what lets others into an organization, or data out of it."""
    identity_providers.remove(owner)
    pk, _ = OrganizationRow.at(owner.organization_id)
    for kind, prefix in ((IdentityRow, IdentityRow.PREFIX), (IdentityOfUserRow, IdentityOfUserRow.PREFIX)):
        for link in kind.query(pk, kind.sk.startswith(prefix), consistent_read=True):
            link.delete()
    for row in InvitationRow.query(
        pk, InvitationRow.sk.startswith(InvitationRow.PREFIX), consistent_read=True
    ):
        with table.transaction(owner.actor()) as writes:
            invitations.close(writes, row)
    with table.transaction(owner.actor()) as writes:
        mail_domains.release_all(writes, owner.organization_id)
    for close in registry_index.ACCESS_CLOSINGS:
        registry.resolve(close)(owner)
