"""Errors of agents and their executions; one class for each code. Those of tools are in `tools.errors`."""

from weconnect.errors import Conflict, NotFound


class AgentNotFound(NotFound):
    """The agent does not exist, or the caller may not see it."""

    code, title = "agent_not_found", "Agent not found"


class AgentVersionNotFound(NotFound):
    """The agent has no version with this number."""

    code, title = "agent_version_not_found", "Agent version not found"


class AgentInactive(Conflict):
    """The agent is not active, so it cannot be executed. Set `isActive` to true first."""

    code, title = "agent_inactive", "The agent is not active"
