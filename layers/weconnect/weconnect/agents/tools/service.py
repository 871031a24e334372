"""The tools of an agent: give, change, take away, try."""

import re
import time
from typing import Any
from uuid import UUID

from weconnect import clock, ids
from weconnect.agents import service as agents
from weconnect.agents import versions
from weconnect.agents.tools import invocation, validation
from weconnect.agents.tools.builtins import BUILTINS
from weconnect.agents.tools.context import ToolContext
from weconnect.agents.tools.entities import (
    AIAgentTool,
    AIAgentToolChanges,
    NewAIAgentTool,
    RemoteServer,
    ToolConfiguration,
    ToolTest,
    ToolTestResult,
    ToolType,
)
from weconnect.agents.tools.errors import ToolError
from weconnect.agents.tools.rows import ToolNameRow, ToolRow
from weconnect.api.caller import Caller
from weconnect.api.idempotency import new_id
from weconnect.api.pagination import Page, query_page
from weconnect.approvals import service as approvals
from weconnect.base_entity import Json
from weconnect.db import table
from weconnect.errors import Invalid, LimitReached, NotFound
from weconnect.executions.entities import Approvers
from weconnect.identity.permissions import owns

MAX_TOOLS = 40  # copied in one transaction, which takes 100 writes
TEST_SECONDS = 20


def create(caller: Caller, agent_id: UUID, new: NewAIAgentTool) -> AIAgentTool:
    """Give the agent a tool; its name is unique within the agent. An MCP server is asked what it offers.

    Raises Conflict `tool_name_taken`, LimitReached `tool_limit_reached`, Invalid.
    """
    agents.need_own(caller, agent_id)
    validation.check_name(new.tool_type, new.tool_name)
    validation.check_schemas(new.input_schema, new.output_schema)
    validation.check_configuration(caller, new.configuration)
    validation.check_approvers(caller, new.approval)
    if new.tool_type == ToolType.WORKFLOW and new.input_schema is None:
        new = new.model_copy(
            update={"input_schema": validation.schema_of_workflow(caller, new.configuration)}
        )
    is_remote = new.tool_type == ToolType.MCP
    remote = validation.fetched(new.configuration, new.configuration.api_key) if is_remote else None
    row = _new_row(caller, agent_id, new, remote)

    def give(
        writes: table.Transaction, before: list[Json], found: versions.Found
    ) -> tuple[list[Json], AIAgentTool]:
        if len({tool["id"] for tool in before}) >= MAX_TOOLS:
            detail = f"an agent takes {MAX_TOOLS} tools"
            errors = [{"pointer": "/toolName", "detail": detail}]
            raise LimitReached(f"Not one more: {detail}", code="tool_limit_reached", errors=errors)
        own = _pinned(row)
        validation.check_functions(own, before)
        _put(writes, row)
        return [*before, *own], _tool(row)

    return versions.equip(caller, agent_id, give)


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


def of_agent(organization_id: UUID, agent_id: UUID) -> list[ToolRow]:
    """All tools of an agent, oldest first."""
    pk, prefix = ToolRow.of_agent(organization_id, agent_id)
    return list(ToolRow.query(pk, ToolRow.sk.startswith(prefix), consistent_read=True))


def update(
    caller: Caller, agent_id: UUID, tool_id: UUID, changes: AIAgentToolChanges, if_match: int | None
) -> AIAgentTool:
    """Change a tool; a new API key is sealed, none given keeps the old one. What changes nothing writes nothing.

    An MCP server is asked again what it offers, unless the tool is only put to sleep.
    """
    at = ToolRow.at(caller.organization_id, agent_id, tool_id)

    def change(
        writes: table.Transaction, before: list[Json], found: versions.Found
    ) -> tuple[list[Json], ToolRow]:
        row = _found(found, at)
        table.expect(row, if_match)
        if values := _changed(caller, row, changes):
            writes.change(row, values, if_match=if_match)
            row.set(**values)
        own = _pinned(row)
        validation.check_functions(own, _replaced(before, tool_id, []))
        return _replaced(before, tool_id, own), row

    return _tool(versions.equip(caller, agent_id, change, [at]))


def delete(caller: Caller, agent_id: UUID, tool_id: UUID, if_match: int | None) -> None:
    """Take a tool away; versions before keep it, and so do runs that are under way."""
    at = ToolRow.at(caller.organization_id, agent_id, tool_id)

    def take(writes: table.Transaction, before: list[Json], found: versions.Found) -> tuple[list[Json], None]:
        row = _found(found, at)
        writes.delete(row, if_match=if_match)
        writes.discard(ToolNameRow(*ToolNameRow.at(caller.organization_id, agent_id, row.tool_name)))
        return _replaced(before, tool_id, []), None

    versions.equip(caller, agent_id, take, [at])


def copy(writes: table.Transaction, caller: Caller, source_id: UUID, target_id: UUID) -> list[Json]:
    """Write the tools of an agent for another, their keys sealed anew; answers them as its version holds them.

    Who may not change the tools gets them without their keys: in a copy nobody is asked for an approval any more.
    """
    pinned: list[Json] = []
    with_keys = owns(caller, UUID(agents.need(caller, source_id).user_id))
    for row in of_agent(caller.organization_id, source_id):
        values = row.to_entity().model_dump(include=set(NewAIAgentTool.model_fields))
        if with_keys and (api_key := invocation.unseal(caller.organization_id, UUID(row.id), row.sealed_key)):
            values["configuration"]["api_key"] = api_key
        remote = RemoteServer.model_validate(row.remote, by_name=True) if row.remote else None
        new = _new_row(caller, target_id, NewAIAgentTool.model_validate(values, by_name=True), remote)
        _put(writes, new)
        pinned += _pinned(new)
    return pinned


def test(caller: Caller, agent_id: UUID, tool_id: UUID, request: ToolTest) -> ToolTestResult:
    """Call a tool once with the given arguments; what the tool refuses is an answer, not an error.

    One whose calls need an approval is tried by who may give it; raises Forbidden.
    """
    agents.need(caller, agent_id)
    row = _need(caller, agent_id, tool_id)
    context = ToolContext(caller.organization_id, agent_id, caller.user_id, None, f"test:{ids.new_id()}")
    tool = _one_of(invocation.pin(row), request.tool)
    if tool.requires_approval:
        asked = Approvers(users=tool.approval.users, roles=list(tool.approval.roles))
        approvals.require_approver(caller, asked)
    # The route has less time than a run: no call that takes longer, and no second one.
    bounds = {"timeout": min(tool.configuration.timeout or TEST_SECONDS, TEST_SECONDS), "retry_count": 0}
    tool.configuration = tool.configuration.model_copy(update=bounds)
    began = time.monotonic()
    try:
        if invocation.asks_agent(tool):
            from weconnect.agents.engine import sub_agents  # which uses this module

            result, error = sub_agents.ask_alone(caller, tool, request.arguments), None
        elif invocation.runs_workflow(tool):
            from weconnect.agents.engine import workflow_calls  # which uses this module

            result, error = workflow_calls.run_alone(caller, tool, request.arguments), None
        else:
            result, error = invocation.call(tool, request.arguments, context), None
    except ToolError as failure:
        result, error = None, str(failure)
    return ToolTestResult(result=result, error=error, duration_ms=int((time.monotonic() - began) * 1000))


def note_use(organization_id: UUID, agent_id: UUID, tool_id: UUID) -> None:
    """Count a call of a tool."""
    used = ToolRow(*ToolRow.at(organization_id, agent_id, tool_id))
    table.touch(used, add={"usage_count": 1}, put={"last_used_at": clock.iso(clock.now())})


def _new_row(caller: Caller, agent_id: UUID, new: NewAIAgentTool, remote: RemoteServer | None) -> ToolRow:
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
        remote=remote,
        **values,
    )
    sealed: dict[str, Any] = {}
    if api_key:
        sealed = {
            "sealed_key": invocation.seal(caller.organization_id, tool_id, api_key, 1),
            "key_version": 1,
        }
    pk, sk = ToolRow.at(caller.organization_id, agent_id, tool_id)
    return ToolRow.of(tool, pk=pk, sk=sk, **sealed)


def _put(writes: table.Transaction, row: ToolRow) -> None:
    at = ToolNameRow.at(UUID(row.organization_id), UUID(row.agent_id), row.tool_name)
    writes.create(ToolNameRow(*at), validation.taken(row.tool_name))
    writes.create(row)


def _changed(caller: Caller, row: ToolRow, changes: AIAgentToolChanges) -> dict[str, Any]:
    """What a change sets that is not so already; raises Invalid."""
    given = changes.model_dump(mode="json", include=changes.model_fields_set - {"configuration"})
    values = {name: value for name, value in given.items() if value not in (None, getattr(row, name))}
    validation.check_schemas(changes.input_schema, changes.output_schema)
    validation.check_approvers(caller, changes.approval)
    if changes.configuration is not None:
        validation.check_configuration(caller, changes.configuration)
        validation.check_target(ToolType(row.tool_type), changes.configuration)
        found = _reconfigured(caller, row, changes.configuration)
        if changes.input_schema is not None:
            found.pop("input_schema", None)
        values |= found
    if row.tool_type == ToolType.MCP and changes.is_active is not False:
        sealed = values.get("sealed_key", row.sealed_key)
        known = ToolConfiguration.model_validate(values.get("configuration", row.configuration), by_name=True)
        api_key = invocation.unseal(caller.organization_id, UUID(row.id), sealed)
        remote = validation.fetched(known, api_key).model_dump(mode="json")
        values |= {"remote": remote} if remote != row.remote else {}
    return values


def _reconfigured(caller: Caller, row: ToolRow, wanted: ToolConfiguration) -> dict[str, Any]:
    """What another configuration sets; raises Invalid."""
    values: dict[str, Any] = {}
    configuration = wanted.model_dump(mode="json")
    api_key = configuration.pop("api_key")
    before = {name: value for name, value in (row.configuration or {}).items() if name != "api_key"}
    if (
        row.sealed_key
        and not api_key
        and _server(before.get("api_endpoint")) != _server(configuration["api_endpoint"])
    ):
        detail = "the key was given for another server; send it again, or one for the new server"
        errors = [{"pointer": "/configuration/apiKey", "detail": detail}]
        raise Invalid("Not valid: /configuration/apiKey", code="api_key_needed", errors=errors)
    if configuration != before:
        values["configuration"] = configuration
    if configuration["workflow_id"] != before.get("workflow_id") and row.tool_type == ToolType.WORKFLOW:
        values["input_schema"] = validation.schema_of_workflow(caller, wanted)
    if api_key:
        version = int(row.key_version or 0) + 1
        values["sealed_key"] = invocation.seal(caller.organization_id, UUID(row.id), api_key, version)
        values["key_version"] = version
    return values


def _pinned(row: ToolRow) -> list[Json]:
    """The tool as a version of its agent holds it."""
    return [tool.model_dump(mode="json") for tool in invocation.pin(row)]


def _replaced(tools: list[Json], tool_id: UUID, by: list[Json]) -> list[Json]:
    """The list with a tool replaced in its place, or appended."""
    is_it = [tool["id"] == str(tool_id) for tool in tools]
    place = is_it.index(True) if any(is_it) else len(tools)
    rest = [tool for tool, found in zip(tools, is_it, strict=True) if not found]
    return [*rest[:place], *by, *rest[place:]]


def _found(found: versions.Found, at: tuple[str, str]) -> ToolRow:
    row = found.get(at)
    if not isinstance(row, ToolRow):
        raise NotFound("No such tool", code="tool_not_found")
    return row


def _need(caller: Caller, agent_id: UUID, tool_id: UUID) -> ToolRow:
    return table.need(ToolRow, ToolRow.at(caller.organization_id, agent_id, tool_id), "tool")


def _server(endpoint: str | None) -> tuple[str, str]:
    """Scheme and authority of an endpoint: where a key that was given for it may go."""
    scheme, _, rest = (endpoint or "").lower().partition("://")
    return scheme, re.split(r"[/?#]", rest)[0]


def _one_of(pinned: list[invocation.Tool], name: str | None) -> invocation.Tool:
    """The tool to try: an MCP server has several, of which one must be named."""
    known = [tool.remote_name for tool in pinned if tool.remote_name]
    if name is None and len(pinned) == 1:
        return pinned[0]
    if name not in known:
        detail = f"name one of {', '.join(known[:20])}" if known else "this tool is one, and has no others"
        raise Invalid(f"Not valid: /tool {detail}", errors=[{"pointer": "/tool", "detail": detail}])
    return pinned[known.index(name)]


def _tool(row: ToolRow) -> AIAgentTool:
    return row.to_entity(has_api_key=bool(row.sealed_key))  # type: ignore[no-any-return]
