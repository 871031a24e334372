"""What a tool may be made of: names, schemas and configurations that could ever work."""

from typing import Any

from weconnect import schemas, table
from weconnect.agents.rows import AgentRow
from weconnect.agents.tools import http, mcp
from weconnect.agents.tools.builtins import BUILTINS
from weconnect.agents.tools.entities import RemoteServer, ToolConfiguration, ToolType
from weconnect.agents.tools.errors import ToolError
from weconnect.caller import Caller
from weconnect.entities import Json
from weconnect.errors import Conflict, Invalid

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
        schemas.check(input_schema, "/inputSchema")
    if output_schema is not None:
        schemas.check(output_schema, "/outputSchema", of_object=False)


def check_configuration(caller: Caller, configuration: ToolConfiguration) -> None:
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


def fetched(configuration: ToolConfiguration, api_key: str | None) -> RemoteServer:
    """What an MCP server offers now; raises Invalid when it does not say."""
    try:
        return mcp.fetch(configuration, api_key)
    except ToolError as error:
        raise _invalid_configuration("/apiEndpoint", str(error), "mcp_server_unusable") from error


def _invalid_configuration(place: str, detail: str, code: str | None = None) -> Invalid:
    return Invalid(detail, code=code, errors=[{"pointer": f"/configuration{place}", "detail": detail}])
