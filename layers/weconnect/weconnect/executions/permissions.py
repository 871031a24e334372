"""What a caller must hold, as the types of the routes' parameters. A share of the workflow opens one's own runs."""

from weconnect.api.caller import requires

ExecutionsRead = requires("executions:read", shared=True)
ExecutionsUpdate = requires("executions:update", shared=True)
ExecutionsUpdateMany = requires("executions:update")
ExecutionsDelete = requires("executions:delete")
