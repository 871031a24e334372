"""What a tool may be made of: names, schemas and configurations that could ever work."""

from typing import Any

from pydantic.alias_generators import to_camel

from weconnect import json_schema
from weconnect.agents.rows import AgentRow
from weconnect.agents.tools import http_tool, mcp_tool
from weconnect.agents.tools.builtins import BUILTINS
from weconnect.agents.tools.entities import RemoteServer, ToolApproval, ToolConfiguration, ToolType
from weconnect.agents.tools.errors import ToolError
from weconnect.api.caller import Caller
from weconnect.base_entity import Json
from weconnect.db import table
from weconnect.errors import Conflict, Invalid
from weconnect.organizations.rows import MemberRow
from weconnect.workflows.rows import WorkflowRow

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


TARGETS = {
    ToolType.HTTP: "api_endpoint",
    ToolType.MCP: "api_endpoint",
    ToolType.AGENT: "agent_id",
    ToolType.WORKFLOW: "workflow_id",
}
"""Which field of a configuration says what a tool calls."""


def check_name(tool_type: ToolType, name: str) -> None:
    """Raise Invalid for a builtin that there is not."""
    if tool_type == ToolType.BUILTIN and name not in BUILTINS:
        raise Invalid(
            f"There is no builtin tool {name!r}; there are {', '.join(sorted(BUILTINS))}",
            errors=[{"pointer": "/toolName", "detail": "unknown builtin"}],
        )


def check_functions(own: list[Json], others: list[Json]) -> None:
    """Raise Conflict when a model could not tell two functions of an agent apart, those of MCP servers too."""
    known = {tool["name"] for tool in others}
    for tool in own:
        if tool["name"] in known:
            raise taken(tool["name"])


def taken(name: str) -> Conflict:
    """The agent has a function of this name."""
    errors = [{"pointer": "/toolName", "detail": "taken"}]
    return Conflict(f"The agent has a tool named {name!r} already", code="tool_name_taken", errors=errors)


def check_schemas(input_schema: dict[str, Any] | None, output_schema: dict[str, Any] | None) -> None:
    """Raise Invalid for what is no JSON Schema, or a dangerous one."""
    if input_schema is not None:
        json_schema.check(input_schema, "/inputSchema")
    if output_schema is not None:
        json_schema.check(output_schema, "/outputSchema", of_object=False)


def check_configuration(caller: Caller, configuration: ToolConfiguration) -> None:
    """Raise Invalid for an endpoint that could never be called, an agent that is not there, and odd parameters."""
    try:
        if configuration.api_endpoint is not None:
            http_tool.check_endpoint(configuration.api_endpoint)
    except ToolError as error:
        raise _invalid_configuration("/apiEndpoint", str(error)) from error
    if configuration.agent_id and not table.get(
        AgentRow, AgentRow.at(caller.organization_id, configuration.agent_id)
    ):
        raise _invalid_configuration("/agentId", "There is no such agent")
    if configuration.workflow_id:
        caller.require("workflows:execute")
        if not table.get(WorkflowRow, WorkflowRow.at(caller.organization_id, configuration.workflow_id)):
            raise _invalid_configuration("/workflowId", "There is no such workflow")
    for name, value in (configuration.parameters or {}).items():
        if name in PARAMETERS and (wrong := json_schema.mismatch(PARAMETERS[name], value)):
            raise _invalid_configuration(f"/parameters/{name}{wrong.pointer}", wrong.detail)


def check_target(tool_type: ToolType, configuration: ToolConfiguration) -> None:
    """Raise Invalid for a configuration that does not say what a tool of this type calls."""
    needed = TARGETS.get(tool_type)
    if needed and not getattr(configuration, needed):
        name = to_camel(needed)
        errors = [{"pointer": f"/configuration/{name}", "detail": "missing"}]
        raise Invalid(f"A tool of type {tool_type} needs configuration.{name}", errors=errors)


def schema_of_workflow(caller: Caller, configuration: ToolConfiguration) -> dict[str, Any]:
    """What a workflow's trigger says of its input: the version's that runs, else the newest's."""
    from weconnect.workflows.definition import tool_offers

    assert configuration.workflow_id
    return tool_offers.schema_of(caller.organization_id, configuration.workflow_id)


def check_approvers(caller: Caller, approval: ToolApproval | None) -> None:
    """Raise Invalid for somebody who could never decide, because they are no member."""
    wanted = [MemberRow.at(caller.organization_id, user_id) for user_id in approval.users] if approval else []
    found = table.get_many(wanted) if wanted else {}
    missing = [number for number, at in enumerate(wanted) if at not in found]
    if missing:
        errors = [{"pointer": f"/approval/users/{number}", "detail": "no member"} for number in missing]
        raise Invalid("Only members of the organization can decide", errors=errors)


def fetched(configuration: ToolConfiguration, api_key: str | None) -> RemoteServer:
    """What an MCP server offers now; raises Invalid when it does not say."""
    try:
        return mcp_tool.fetch(configuration, api_key)
    except ToolError as error:
        raise _invalid_configuration("/apiEndpoint", str(error), "mcp_server_unusable") from error


def _invalid_configuration(place: str, detail: str, code: str | None = None) -> Invalid:
    return Invalid(detail, code=code, errors=[{"pointer": f"/configuration{place}", "detail": detail}])
