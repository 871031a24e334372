"""The takeover of an account by the first proof of its address: a password reset, or a confirmation.

Another person may have registered with the address, so all that would keep a way in or out is dropped: the user's API
keys, and in the organizations that they own the identity provider with its linked subjects, invitations, mail domains,
links, active workflows, and what is open of executions and jobs. The second factor and the sessions go with the
password (`login/password_changes`).
Entities, such as the definitions of workflows, stay.

An account that an identity provider created was never asked: it leaves the organizations that its holder did not choose
to join, except for the one that proved the domain of the address by DNS, and the provider's links to it are deleted.
"""

from uuid import UUID

from weconnect import registry, registry_index
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.rows import IdentityOfUserRow, IdentityRow
from weconnect.auth.sso import identity_providers
from weconnect.db import table
from weconnect.identity.email_addresses import domain_of
from weconnect.organizations.domains import mail_domains
from weconnect.organizations.entities import OrganizationRole
from weconnect.organizations.invitations import invitations
from weconnect.organizations.members import membership
from weconnect.organizations.rows import InvitationRow, MemberRow, OrganizationRow


def drop_access(user_id: str, email: str, request: RequestInfo, *, made_by_provider: bool) -> None:
    """Revoke a user's API keys, and close the organizations that they own. Idempotent.

    `made_by_provider`: also end the memberships and links of an account that an identity provider created.
    """
    actor, domain_owner = request.actor(user_id), mail_domains.find_owner(domain_of(email))
    for match in MemberRow.gsi1.query(MemberRow.of_user(user_id)):
        member = table.get(MemberRow, (match.pk, match.sk))
        if member is None:
            continue
        organization_id = UUID(member.organization_id)
        membership.revoke_api_keys(actor, organization_id, UUID(user_id))
        if made_by_provider:
            _delete_links(organization_id, user_id)
        if member.role == OrganizationRole.OWNER:
            owner = Caller(UUID(user_id), organization_id, member.role, frozenset({"*"}), request=request)
            _close_organization(owner)
        elif made_by_provider and organization_id != domain_owner:
            with table.transaction(actor) as writes:
                membership.remove_member(writes, member)
            membership.end_access(actor, organization_id, UUID(user_id))


def _close_organization(owner: Caller) -> None:
    """Drop what lets others into an organization, or data out of it."""
    identity_providers.remove(owner)
    _delete_links(owner.organization_id)
    pk, _ = OrganizationRow.at(owner.organization_id)
    for row in InvitationRow.query(
        pk, InvitationRow.sk.startswith(InvitationRow.PREFIX), consistent_read=True
    ):
        with table.transaction(owner.actor()) as writes:
            invitations.close(writes, row)
    with table.transaction(owner.actor()) as writes:
        mail_domains.release_all(writes, owner.organization_id)
    for close in registry_index.ACCESS_CLOSINGS:
        registry.resolve(close)(owner)


def _delete_links(organization_id: UUID, user_id: str | None = None) -> None:
    """Delete the links between subjects of identity providers and a user of the organization; None means every user."""
    pk, _ = OrganizationRow.at(organization_id)
    for link in IdentityRow.query(pk, IdentityRow.sk.startswith(IdentityRow.PREFIX), consistent_read=True):
        if user_id in (None, link.user_id):
            link.delete()
    prefix = IdentityOfUserRow.PREFIX
    for marker in IdentityOfUserRow.query(pk, IdentityOfUserRow.sk.startswith(prefix), consistent_read=True):
        if user_id is None or marker.sk.endswith(user_id):
            marker.delete()
