"""The permissions of the agents' routes, as types of their `caller` parameter."""

from weconnect.api.caller import requires

AgentsCreate = requires("agents:create")
AgentsRead = requires("agents:read")
AgentsUpdate = requires("agents:update")
AgentsDelete = requires("agents:delete")
AgentsExecute = requires("agents:execute")
