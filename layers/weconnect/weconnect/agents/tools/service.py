"""The tools of an agent: give, change, take away, try."""

import re
import time
from typing import Any
from uuid import UUID

from weconnect import clock, ids, schemas, table
from weconnect.agents import service as agents
from weconnect.agents.rows import AgentRow
from weconnect.agents.tools import calling, http
from weconnect.agents.tools.builtins import BUILTINS
from weconnect.agents.tools.context import ToolContext
from weconnect.agents.tools.entities import (
    AIAgentTool,
    AIAgentToolChanges,
    NewAIAgentTool,
    ToolConfiguration,
    ToolTest,
    ToolTestResult,
    ToolType,
)
from weconnect.agents.tools.errors import ToolError
from weconnect.agents.tools.rows import ToolNameRow, ToolRow
from weconnect.caller import Caller
from weconnect.errors import Conflict, Invalid
from weconnect.idempotency import new_id
from weconnect.pages import Page, query_page

MAX_TOOLS = 100


def create(caller: Caller, agent_id: UUID, new: NewAIAgentTool) -> AIAgentTool:
    """Give the agent a tool; its name is unique within the agent."""
    agents.need_own(caller, agent_id)
    _check(new.tool_type, new.tool_name, new.input_schema)
    _check_target(caller, new.configuration)
    if len(active(caller.organization_id, agent_id, also_inactive=True)) >= MAX_TOOLS:
        raise Conflict(f"An agent takes {MAX_TOOLS} tools", code="too_many_tools")
    builtin = BUILTINS.get(new.tool_name) if new.tool_type == ToolType.BUILTIN else None
    moment, tool_id = clock.now(), new_id()
    values = new.model_dump()
    values["display_name"] = new.display_name or (builtin.display_name if builtin else new.tool_name)
    api_key = values["configuration"].pop("api_key")
    tool = AIAgentTool(
        id=tool_id,
        created_at=moment,
        updated_at=moment,
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        agent_id=agent_id,
        **values,
    )
    sealed: dict[str, Any] = {}
    if api_key:
        sealed = {"sealed_key": calling.seal(caller.organization_id, tool_id, api_key, 1), "key_version": 1}
    pk, sk = ToolRow.at(caller.organization_id, agent_id, tool_id)
    row = ToolRow.of(tool, pk=pk, sk=sk, **sealed)
    taken = Conflict(
        f"The agent has a tool named {new.tool_name!r} already",
        code="tool_name_taken",
        errors=[{"pointer": "/toolName", "detail": "taken"}],
    )
    with table.transaction(caller.actor()) as writes:
        writes.create(ToolNameRow(*ToolNameRow.at(caller.organization_id, agent_id, new.tool_name)), taken)
        writes.create(row)
    return _tool(row)


def get(caller: Caller, agent_id: UUID, tool_id: UUID) -> AIAgentTool:
    """One tool; raises NotFound."""
    agents.need(caller, agent_id)
    return _tool(_need(caller, agent_id, tool_id))


def find(
    caller: Caller, agent_id: UUID, *, limit: int, cursor: str | None, is_active: bool | None
) -> Page[AIAgentTool]:
    """Tools of an agent, newest first."""
    agents.need(caller, agent_id)
    pk, prefix = ToolRow.of_agent(caller.organization_id, agent_id)
    keep = None if is_active is None else lambda row: row.is_active == is_active
    rows, following = query_page(
        ToolRow, pk, prefix, limit=limit, cursor=cursor, keep=keep, filters=[is_active]
    )
    return Page(items=[_tool(row) for row in rows], next_cursor=following)


def active(organization_id: UUID, agent_id: UUID, *, also_inactive: bool = False) -> list[ToolRow]:
    """The tools that a run may use, oldest first."""
    pk, prefix = ToolRow.of_agent(organization_id, agent_id)
    rows = ToolRow.query(pk, ToolRow.sk.startswith(prefix), consistent_read=True)
    return [row for row in rows if row.is_active or also_inactive]


def update(
    caller: Caller, agent_id: UUID, tool_id: UUID, changes: AIAgentToolChanges, if_match: int | None
) -> AIAgentTool:
    """Change a tool; a new API key is sealed, none given keeps the old one."""
    agents.need_own(caller, agent_id)
    row = _need(caller, agent_id, tool_id)
    given = {
        name: getattr(changes, name)
        for name in changes.model_fields_set
        if getattr(changes, name) is not None
    }
    values: dict[str, Any] = changes.model_dump(mode="json", include=set(given) - {"configuration"})
    if changes.input_schema is not None:
        _check(ToolType(row.tool_type), row.tool_name, changes.input_schema)
    if changes.configuration is not None:
        _check_target(caller, changes.configuration)
        configuration = changes.configuration.model_dump(mode="json")
        api_key = configuration.pop("api_key")
        if row.tool_type == ToolType.HTTP and not configuration["api_endpoint"]:
            raise Invalid(
                "An http tool needs an endpoint",
                errors=[{"pointer": "/configuration/apiEndpoint", "detail": "missing"}],
            )
        before = (row.configuration or {}).get("api_endpoint")
        if row.sealed_key and not api_key and _server(before) != _server(configuration["api_endpoint"]):
            detail = "the key was given for another server; send it again, or one for the new server"
            errors = [{"pointer": "/configuration/apiKey", "detail": detail}]
            raise Invalid("Not valid: /configuration/apiKey", code="api_key_needed", errors=errors)
        values["configuration"] = configuration
        if api_key:
            version = int(row.key_version or 0) + 1
            values["sealed_key"] = calling.seal(caller.organization_id, tool_id, api_key, version)
            values["key_version"] = version
    return _tool(table.change(row, values, caller.actor(), if_match=if_match))


def delete(caller: Caller, agent_id: UUID, tool_id: UUID, if_match: int | None) -> None:
    """Take a tool away; runs that are under way have pinned it."""
    agents.need_own(caller, agent_id)
    row = _need(caller, agent_id, tool_id)
    with table.transaction(caller.actor()) as writes:
        writes.delete(row, if_match=if_match)
        writes.discard(ToolNameRow(*ToolNameRow.at(caller.organization_id, agent_id, row.tool_name)))


def copy(caller: Caller, source_id: UUID, target_id: UUID) -> None:
    """Give an agent the tools of another, their keys sealed anew."""
    for row in active(caller.organization_id, source_id, also_inactive=True):
        values = row.to_entity().model_dump(include=set(NewAIAgentTool.model_fields))
        if api_key := calling.unseal(caller.organization_id, UUID(row.id), row.sealed_key):
            values["configuration"]["api_key"] = api_key
        create(caller, target_id, NewAIAgentTool.model_validate(values, by_name=True))


def test(caller: Caller, agent_id: UUID, tool_id: UUID, request: ToolTest) -> ToolTestResult:
    """Call a tool once with the given arguments; what the tool refuses is an answer, not an error."""
    agents.need(caller, agent_id)
    row = _need(caller, agent_id, tool_id)
    tool = calling.pin(row)
    context = ToolContext(caller.organization_id, agent_id, caller.user_id, None, f"test:{ids.new_id()}")
    began = time.monotonic()
    try:
        if calling.asks_agent(tool):
            from weconnect.agents import nested  # which uses this module

            result, error = nested.ask_alone(caller, tool, request.arguments), None
        else:
            result, error = calling.call(tool, request.arguments, context), None
    except ToolError as failure:
        result, error = None, str(failure)
    return ToolTestResult(result=result, error=error, duration_ms=int((time.monotonic() - began) * 1000))


def note_use(organization_id: UUID, agent_id: UUID, tool_id: UUID) -> None:
    """Count a call of a tool."""
    used = ToolRow(*ToolRow.at(organization_id, agent_id, tool_id))
    table.touch(used, add={"usage_count": 1}, put={"last_used_at": clock.iso(clock.now())})


def _need(caller: Caller, agent_id: UUID, tool_id: UUID) -> ToolRow:
    return table.need(ToolRow, ToolRow.at(caller.organization_id, agent_id, tool_id), "tool")


def _server(endpoint: str | None) -> tuple[str, str]:
    """Scheme and authority of an endpoint: where a key that was given for it may go."""
    scheme, _, rest = (endpoint or "").lower().partition("://")
    return scheme, re.split(r"[/?#]", rest)[0]


def _check(tool_type: ToolType, name: str, schema: dict[str, Any] | None) -> None:
    if tool_type == ToolType.BUILTIN and name not in BUILTINS:
        raise Invalid(
            f"There is no builtin tool {name!r}; there are {', '.join(sorted(BUILTINS))}",
            errors=[{"pointer": "/toolName", "detail": "unknown builtin"}],
        )
    if schema is not None:
        schemas.check(schema, "/inputSchema")


def _check_target(caller: Caller, configuration: ToolConfiguration) -> None:
    """Raise Invalid for an endpoint that could never be called, or an agent that is not there."""
    try:
        if configuration.api_endpoint is not None:
            http.check_endpoint(configuration.api_endpoint)
    except ToolError as error:
        raise Invalid(
            str(error), errors=[{"pointer": "/configuration/apiEndpoint", "detail": str(error)}]
        ) from error
    if configuration.agent_id and not table.get(
        AgentRow, AgentRow.at(caller.organization_id, configuration.agent_id)
    ):
        errors = [{"pointer": "/configuration/agentId", "detail": "there is no such agent"}]
        raise Invalid("There is no such agent", errors=errors)


def _tool(row: ToolRow) -> AIAgentTool:
    return row.to_entity(has_api_key=bool(row.sealed_key))  # type: ignore[no-any-return]
