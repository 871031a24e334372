"""The versions of an agent as the API shows them, and the published one, which executions use."""

from typing import Any
from uuid import UUID

from weconnect.agents import service, versions
from weconnect.agents.entities import AgentVersion, AgentVersionSummary, AIAgent
from weconnect.agents.errors import AgentNotFound, AgentVersionNotFound
from weconnect.agents.rows import AgentRow, AgentVersionRow
from weconnect.agents.tools.entities import AgentVersionTool
from weconnect.api.caller import Caller
from weconnect.api.pagination import Page, query_page
from weconnect.db import table
from weconnect.identity.permissions import require_own_entity


def find(caller: Caller, agent_id: UUID, *, limit: int, cursor: str | None) -> Page[AgentVersionSummary]:
    """List the versions of an agent, newest first. Raises AgentNotFound."""
    head = service.require_agent(caller, agent_id)
    pk, between = AgentVersionRow.numbered(caller.organization_id, agent_id)
    rows, next_cursor = query_page(AgentVersionRow, pk, between=between, limit=limit, cursor=cursor)
    items = [AgentVersionSummary.model_validate(_summarize_version(head, row)) for row in rows]
    return Page(items=items, next_cursor=next_cursor)


def get(caller: Caller, agent_id: UUID, number: int) -> AgentVersion:
    """Return a version with its tools, without their API keys. Raises AgentNotFound, AgentVersionNotFound."""
    head_key = AgentRow.at(caller.organization_id, agent_id)
    key = AgentVersionRow.at(caller.organization_id, agent_id, number)
    rows_by_key = table.get_many([head_key, key])
    head = rows_by_key.get(head_key)
    if not isinstance(head, AgentRow):
        raise AgentNotFound()
    version = _pick_version(rows_by_key, key)
    tools = []
    for tool in versions.load_tools(caller.organization_id, version):
        has_api_key = bool(tool.pop("sealed_key"))
        tool.pop("sealed_secrets", None)
        tools.append(AgentVersionTool.model_validate(tool | {"has_api_key": has_api_key}, by_name=True))
    return AgentVersion.model_validate(
        version.values() | _summarize_version(head, version) | {"tools": tools}
    )


def publish(caller: Caller, agent_id: UUID, number: int, if_match: int | None) -> AIAgent:
    """Make a version the one that executions use, whatever is changed later.

    Raises AgentNotFound, AgentVersionNotFound, NotOwnEntity, StaleVersion.
    """
    organization_id = caller.organization_id
    key = AgentVersionRow.at(organization_id, agent_id, number)
    rows_by_key = table.get_many([*versions.current_keys(organization_id, agent_id), key])
    head, newest = versions.pick_current(rows_by_key, organization_id, agent_id)
    require_own_entity(caller, UUID(head.user_id))
    table.check_version(head, if_match)
    version = _pick_version(rows_by_key, key)
    if head.published_version != number:
        pk, sk = AgentVersionRow.at(organization_id, agent_id, "published")
        names = ("number", "tools", "changes", "made_by", "created_at")
        copied = {name: getattr(version, name) for name in names}
        with table.transaction(caller.actor()) as writes:
            writes.change(head, {"published_version": number}, if_match=if_match)
            writes.put(AgentVersionRow.of(version.to_entity(), pk=pk, sk=sk, **copied))
    return service.to_entity(head, newest.to_entity())


def _pick_version(rows_by_key: versions.RowsByKey, key: tuple[str, str]) -> AgentVersionRow:
    """Return the version's row among those that were read. Raises AgentVersionNotFound."""
    version = rows_by_key.get(key)
    if not isinstance(version, AgentVersionRow):
        raise AgentVersionNotFound()
    return version


def _summarize_version(head: AgentRow, row: AgentVersionRow) -> dict[str, Any]:
    """Return what a list of versions shows of one."""
    return {
        "version": row.number,
        "created_at": row.created_at,
        "created_by": row.made_by,
        "is_current": row.number == head.agent_version,
        "is_published": row.number == head.published_version,
        "changes": row.changes,
    }
