"""What a caller must hold, as the types of the routes' parameters."""

from weconnect.caller import requires

WorkflowsCreate = requires("workflows:create")
WorkflowsRead = requires("workflows:read")
WorkflowsUpdate = requires("workflows:update")
WorkflowsDelete = requires("workflows:delete")
WorkflowsExecute = requires("workflows:execute")
