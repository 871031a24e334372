"""The versions of an agent as its routes show them, and which of them runs."""

from typing import Any
from uuid import UUID

from weconnect.agents import service, versions
from weconnect.agents.entities import AgentVersion, AgentVersionSummary, AIAgent
from weconnect.agents.rows import AgentRow, AgentVersionRow
from weconnect.agents.tools.entities import VersionTool
from weconnect.api.caller import Caller
from weconnect.api.pagination import Page, query_page
from weconnect.db import table
from weconnect.errors import NotFound
from weconnect.identity.permissions import require_own


def find(caller: Caller, agent_id: UUID, *, limit: int, cursor: str | None) -> Page[AgentVersionSummary]:
    """Versions of an agent, newest first."""
    head = service.need(caller, agent_id)
    pk, between = AgentVersionRow.numbered(caller.organization_id, agent_id)
    rows, following = query_page(AgentVersionRow, pk, between=between, limit=limit, cursor=cursor)
    items = [AgentVersionSummary.model_validate(_summary(head, row)) for row in rows]
    return Page(items=items, next_cursor=following)


def get(caller: Caller, agent_id: UUID, number: int) -> AgentVersion:
    """One version with its tools, their keys left out; raises NotFound."""
    head, version = _read(caller, agent_id, number)
    tools = []
    for tool in versions.tools_of(caller.organization_id, version):
        key = tool.pop("sealed_key")
        tools.append(VersionTool.model_validate(tool | {"has_api_key": bool(key)}, by_name=True))
    return AgentVersion.model_validate(version.values() | _summary(head, version) | {"tools": tools})


def publish(caller: Caller, agent_id: UUID, number: int, if_match: int | None) -> AIAgent:
    """Make a version the one that runs, whatever is changed after it; raises NotFound."""
    organization_id = caller.organization_id
    at = AgentVersionRow.at(organization_id, agent_id, number)
    found = table.get_many([*versions.keys(organization_id, agent_id), at])
    head, newest = versions.pick(found, organization_id, agent_id)
    require_own(caller, UUID(head.user_id))
    table.expect(head, if_match)
    version = _need(found, at)
    if head.published_version != number:
        pk, sk = AgentVersionRow.at(organization_id, agent_id, "published")
        kept = {
            name: getattr(version, name) for name in ("number", "tools", "changes", "made_by", "created_at")
        }
        with table.transaction(caller.actor()) as writes:
            writes.change(head, {"published_version": number}, if_match=if_match)
            writes.put(AgentVersionRow.of(version.to_entity(), pk=pk, sk=sk, **kept))
    return service.entity(head, newest.to_entity())


def _read(caller: Caller, agent_id: UUID, number: int) -> tuple[AgentRow, AgentVersionRow]:
    head_at = AgentRow.at(caller.organization_id, agent_id)
    at = AgentVersionRow.at(caller.organization_id, agent_id, number)
    found = table.get_many([head_at, at])
    head = found.get(head_at)
    if not isinstance(head, AgentRow):
        raise NotFound("No such agent", code="agent_not_found")
    return head, _need(found, at)


def _need(found: versions.Found, at: tuple[str, str]) -> AgentVersionRow:
    version = found.get(at)
    if not isinstance(version, AgentVersionRow):
        raise NotFound("No such version of the agent", code="agent_version_not_found")
    return version


def _summary(head: AgentRow, row: AgentVersionRow) -> dict[str, Any]:
    return {
        "version": row.number,
        "created_at": row.created_at,
        "created_by": row.made_by,
        "is_current": row.number == head.agent_version,
        "is_published": row.number == head.published_version,
        "changes": row.changes,
    }
