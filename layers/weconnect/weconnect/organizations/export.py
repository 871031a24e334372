"""Everything that an organization can take along, in one document without secrets."""

from datetime import timedelta
from uuid import UUID

from weconnect import clock
from weconnect.agents import service as agents
from weconnect.agents.memory import service as memories
from weconnect.agents.memory.rows import MemoryRow
from weconnect.agents.rows import AgentRow
from weconnect.agents.tools import service as tools
from weconnect.api.caller import Caller
from weconnect.auth.rows import UserRow
from weconnect.db import payloads, table
from weconnect.organizations import service
from weconnect.organizations.entities import MemberView
from weconnect.organizations.members import membership, roles
from weconnect.organizations.rows import InvitationRow, MemberRow, OrganizationRow
from weconnect.organizations.schemas import Export, ExportedAgent, OrganizationExport
from weconnect.workflows.definition import import_export
from weconnect.workflows.rows import WorkflowRow

INLINE_BYTES = 4_000_000
ADDRESS_SECONDS = 600
KEEP_DAYS = 7


def export(caller: Caller, organization_id: UUID) -> Export:
    """The organization with its members, roles, invitations, agents and workflows; of over 4 MB an address.

    Runs are not in it, nor what is in the trash.
    """
    membership.require_current(caller, organization_id)
    membership.require_owner(caller)
    moment = clock.now()
    document = OrganizationExport(
        exported_at=moment,
        organization=service.get(caller, organization_id),
        members=_members(organization_id),
        roles=roles.of_organization(organization_id),
        invitations=[row.to_entity() for row in _rows(InvitationRow, organization_id)],
        agents=[_agent(caller, UUID(row.id)) for row in _agents(organization_id)],
        workflows=[import_export.export(caller, UUID(row.id)) for row in _workflows(organization_id)],
    )
    text = document.model_dump_json(by_alias=True, exclude_none=True)
    size = len(text.encode())
    if size <= INLINE_BYTES:
        return Export(bytes=size, data=document)
    name = f"exports/{moment:%Y%m%dT%H%M%S}.json"
    pointer = payloads.store(organization_id, name, text, KEEP_DAYS, inline_bytes=0)
    assert isinstance(pointer, dict)
    url = payloads.address(organization_id, pointer, ADDRESS_SECONDS)
    return Export(bytes=size, url=url, expires_at=moment + timedelta(seconds=ADDRESS_SECONDS))


def _members(organization_id: UUID) -> list[MemberView]:
    rows = _rows(MemberRow, organization_id)
    words = membership.words_by_role(organization_id, [row.custom_role_id for row in rows])
    users: dict[tuple[str, str], table.Row] = {}
    for start in range(0, len(rows), 100):
        users |= table.get_many([UserRow.at(row.user_id) for row in rows[start : start + 100]])
    return [
        MemberView.of(row.to_entity(), users.get(UserRow.at(row.user_id)), words.get(row.custom_role_id))
        for row in rows
    ]


def _rows(kind: type[MemberRow] | type[InvitationRow], organization_id: UUID) -> list[table.Row]:
    pk, _ = OrganizationRow.at(organization_id)
    return list(kind.query(pk, kind.sk.startswith(kind.PREFIX), consistent_read=True))


def _agents(organization_id: UUID) -> list[AgentRow]:
    pk, prefix = AgentRow.of_organization(organization_id)
    return list(AgentRow.query(pk, AgentRow.sk.startswith(prefix), consistent_read=True))


def _workflows(organization_id: UUID) -> list[WorkflowRow]:
    pk, prefix = WorkflowRow.of_organization(organization_id)
    return list(WorkflowRow.query(pk, WorkflowRow.sk.startswith(prefix), consistent_read=True))


def _agent(caller: Caller, agent_id: UUID) -> ExportedAgent:
    pk, prefix = MemoryRow.of_type(caller.organization_id, agent_id)
    rows = MemoryRow.query(pk, MemoryRow.sk.startswith(prefix), consistent_read=True)
    own = tools.of_agent(caller.organization_id, agent_id)
    return ExportedAgent(
        agent=agents.get(caller, agent_id).wire(),
        tools=[row.to_entity(has_api_key=bool(row.sealed_key)).wire() for row in own],
        memories=[memories.memory(row).wire() for row in rows if not table.is_expired(row)],
    )
