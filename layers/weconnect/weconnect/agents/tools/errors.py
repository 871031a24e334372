"""Errors of agents' tools: those of the routes, one class for each code, and the one of a call."""

from weconnect.errors import Conflict, Invalid, LimitReached, NotFound


class ToolError(Exception):
    """A tool call failed. The message is for the model: it says why, and what would work."""


class ToolNotFound(NotFound):
    """The agent has no such tool."""

    code, title = "tool_not_found", "Tool not found"


class ToolNameTaken(Conflict):
    """The agent already has a tool with this name; the tools of its MCP servers count, too."""

    code, title = "tool_name_taken", "Tool name taken"


class ToolLimitReached(LimitReached):
    """The agent has as many tools as an agent can have. Delete one first."""

    code, title = "tool_limit_reached", "Tool limit reached"


class ToolsTooLarge(Invalid):
    """The agent's tools take more bytes together than a version can store."""

    code, title = "tools_too_large", "The agent's tools are too large"


class ApiKeyNeeded(Invalid):
    """The stored API key belongs to another server. Send the key again, or one for the new server."""

    code, title = "api_key_needed", "API key needed"


class McpServerUnusable(Invalid):
    """The MCP server could not be reached, or its list of tools cannot be used. The detail says why."""

    code, title = "mcp_server_unusable", "MCP server unusable"
