"""The tools of an agent: give, change, take away, try."""

import re
import time
from typing import Any
from uuid import UUID

from weconnect import clock, ids, schemas, table
from weconnect.agents import service as agents
from weconnect.agents.rows import AgentRow
from weconnect.agents.tools import calling, http, mcp
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
from weconnect.caller import Caller
from weconnect.errors import Conflict, Invalid
from weconnect.idempotency import new_id
from weconnect.pages import Page, query_page

MAX_TOOLS = 100
TEST_SECONDS = 20
_HEADER_NAME = {"pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"}
_HEADER_VALUE = {"type": ["string", "number", "boolean"], "pattern": "^[^\\r\\n\\x00]*$", "maxLength": 8_000}
PARAMETERS: dict[str, dict[str, Any]] = {
    "method": {"type": "string", "pattern": "(?i)^(get|head|post|put|patch|delete)$"},
    "headers": {"type": "object", "propertyNames": _HEADER_NAME, "additionalProperties": _HEADER_VALUE},
    "query": {"type": "object"},
    "body": {"type": "object"},
    "bodyFormat": {"enum": ["json", "form"]},
    "apiKeyHeader": {"type": "string", **_HEADER_NAME},
    "apiKeyPrefix": {"type": ["string", "null"], "pattern": "^[ -~]*$", "maxLength": 100},
    "tools": {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "maxItems": 64,
        "uniqueItems": True,
    },
}
"""What of `configuration.parameters` is known, and its shape; the rest is the owner's own."""


def create(
    caller: Caller, agent_id: UUID, new: NewAIAgentTool, remote: RemoteServer | None = None
) -> AIAgentTool:
    """Give the agent a tool; its name is unique within the agent. An MCP server is asked unless `remote` is known."""
    agents.need_own(caller, agent_id)
    _check(new.tool_type, new.tool_name)
    _check_schemas(new.input_schema, new.output_schema)
    _check_configuration(caller, new.configuration)
    others = active(caller.organization_id, agent_id, also_inactive=True)
    if len(others) >= MAX_TOOLS:
        raise Conflict(f"An agent takes {MAX_TOOLS} tools", code="too_many_tools")
    builtin = BUILTINS.get(new.tool_name) if new.tool_type == ToolType.BUILTIN else None
    if new.tool_type == ToolType.MCP and remote is None:
        remote = _fetched(new.configuration, new.configuration.api_key)
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
        sealed = {"sealed_key": calling.seal(caller.organization_id, tool_id, api_key, 1), "key_version": 1}
    pk, sk = ToolRow.at(caller.organization_id, agent_id, tool_id)
    row = ToolRow.of(tool, pk=pk, sk=sk, **sealed)
    _check_names(row, others)
    with table.transaction(caller.actor()) as writes:
        writes.create(
            ToolNameRow(*ToolNameRow.at(caller.organization_id, agent_id, new.tool_name)),
            _taken(new.tool_name),
        )
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
    """Change a tool; a new API key is sealed, none given keeps the old one.

    An MCP server is asked again what it offers, unless the tool is only put to sleep.
    """
    agents.need_own(caller, agent_id)
    row = _need(caller, agent_id, tool_id)
    given = {
        name: getattr(changes, name)
        for name in changes.model_fields_set
        if getattr(changes, name) is not None
    }
    values: dict[str, Any] = changes.model_dump(mode="json", include=set(given) - {"configuration"})
    _check_schemas(changes.input_schema, changes.output_schema)
    if changes.configuration is not None:
        _check_configuration(caller, changes.configuration)
        configuration = changes.configuration.model_dump(mode="json")
        api_key = configuration.pop("api_key")
        if row.tool_type in (ToolType.HTTP, ToolType.MCP) and not configuration["api_endpoint"]:
            raise Invalid(
                f"An {row.tool_type} tool needs an endpoint",
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
    if row.tool_type == ToolType.MCP and changes.is_active is not False:
        sealed = values.get("sealed_key", row.sealed_key)
        known = ToolConfiguration.model_validate(values.get("configuration", row.configuration), by_name=True)
        api_key = calling.unseal(caller.organization_id, tool_id, sealed)
        values["remote"] = _fetched(known, api_key).model_dump(mode="json")
        after = ToolRow(row.pk, row.sk, **row.values() | {"remote": values["remote"]})
        _check_names(after, active(caller.organization_id, agent_id, also_inactive=True))
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
        remote = RemoteServer.model_validate(row.remote, by_name=True) if row.remote else None
        create(caller, target_id, NewAIAgentTool.model_validate(values, by_name=True), remote)


def test(caller: Caller, agent_id: UUID, tool_id: UUID, request: ToolTest) -> ToolTestResult:
    """Call a tool once with the given arguments; what the tool refuses is an answer, not an error."""
    agents.need(caller, agent_id)
    row = _need(caller, agent_id, tool_id)
    context = ToolContext(caller.organization_id, agent_id, caller.user_id, None, f"test:{ids.new_id()}")
    tool = _one_of(calling.pin(row), request.tool)
    # The route has less time than a run: no call that takes longer, and no second one.
    bounds = {"timeout": min(tool.configuration.timeout or TEST_SECONDS, TEST_SECONDS), "retry_count": 0}
    tool.configuration = tool.configuration.model_copy(update=bounds)
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


def _one_of(pinned: list[calling.Tool], name: str | None) -> calling.Tool:
    """The tool to try: an MCP server has several, of which one must be named."""
    known = [tool.remote_name for tool in pinned if tool.remote_name]
    if name is None and len(pinned) == 1:
        return pinned[0]
    if name not in known:
        detail = f"name one of {', '.join(known[:20])}" if known else "this tool is one, and has no others"
        raise Invalid(f"Not valid: /tool {detail}", errors=[{"pointer": "/tool", "detail": detail}])
    return pinned[known.index(name)]


def _check(tool_type: ToolType, name: str) -> None:
    if tool_type == ToolType.BUILTIN and name not in BUILTINS:
        raise Invalid(
            f"There is no builtin tool {name!r}; there are {', '.join(sorted(BUILTINS))}",
            errors=[{"pointer": "/toolName", "detail": "unknown builtin"}],
        )


def _check_names(row: ToolRow, others: list[ToolRow]) -> None:
    """Raise Conflict when a function of the row's would have the name of one that the agent has."""
    own = calling.names_of(row)
    for other in others:
        if other.id != row.id and (both := own & calling.names_of(other)):
            raise _taken(min(both))


def _taken(name: str) -> Conflict:
    errors = [{"pointer": "/toolName", "detail": "taken"}]
    return Conflict(f"The agent has a tool named {name!r} already", code="tool_name_taken", errors=errors)


def _check_schemas(input_schema: dict[str, Any] | None, output_schema: dict[str, Any] | None) -> None:
    if input_schema is not None:
        schemas.check(input_schema, "/inputSchema")
    if output_schema is not None:
        schemas.check(output_schema, "/outputSchema", of_object=False)


def _check_configuration(caller: Caller, configuration: ToolConfiguration) -> None:
    """Raise Invalid for an endpoint that could never be called, an agent that is not there, and odd parameters."""
    try:
        if configuration.api_endpoint is not None:
            http.check_endpoint(configuration.api_endpoint)
    except ToolError as error:
        raise _invalid_configuration("/apiEndpoint", str(error)) from error
    if configuration.agent_id and not table.get(
        AgentRow, AgentRow.at(caller.organization_id, configuration.agent_id)
    ):
        raise _invalid_configuration("/agentId", "There is no such agent")
    for name, value in (configuration.parameters or {}).items():
        if name in PARAMETERS and (wrong := schemas.mismatch(PARAMETERS[name], value)):
            raise _invalid_configuration(f"/parameters/{name}{wrong.pointer}", wrong.detail)


def _fetched(configuration: ToolConfiguration, api_key: str | None) -> RemoteServer:
    try:
        return mcp.fetch(configuration, api_key)
    except ToolError as error:
        raise _invalid_configuration("/apiEndpoint", str(error), "mcp_server_unusable") from error


def _invalid_configuration(place: str, detail: str, code: str | None = None) -> Invalid:
    return Invalid(detail, code=code, errors=[{"pointer": f"/configuration{place}", "detail": detail}])


def _tool(row: ToolRow) -> AIAgentTool:
    return row.to_entity(has_api_key=bool(row.sealed_key))  # type: ignore[no-any-return]
