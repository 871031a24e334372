"""What a caller must hold, as the types of the routes' parameters."""

from weconnect.caller import requires

ExecutionsRead = requires("executions:read")
ExecutionsUpdate = requires("executions:update")
ExecutionsDelete = requires("executions:delete")
