"""What a caller must hold, as the types of the routes' parameters."""

from weconnect.api.caller import requires

AgentsCreate = requires("agents:create")
AgentsRead = requires("agents:read")
AgentsUpdate = requires("agents:update")
AgentsDelete = requires("agents:delete")
AgentsExecute = requires("agents:execute")
