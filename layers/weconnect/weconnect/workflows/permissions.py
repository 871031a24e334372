"""What a caller must hold, as the types of the routes' parameters.

The `May…` ones are of routes that a share opens as well; their services ask `shares.access`.
"""

from weconnect.api.caller import requires

WorkflowsCreate = requires("workflows:create")
WorkflowsRead = requires("workflows:read")
WorkflowsUpdate = requires("workflows:update")
WorkflowsDelete = requires("workflows:delete")

MayRead = requires("workflows:read", shared=True)
MayUpdate = requires("workflows:update", shared=True)
MayDelete = requires("workflows:delete", shared=True)
MayExecute = requires("workflows:execute", shared=True)
