"""Permissions of the workflows' routes, as types of the parameter that takes the caller.

The routes of the `May…` types also accept callers with a share; their services check it through `sharing.access`.
"""

from weconnect.api.caller import requires

WorkflowsCreate = requires("workflows:create")
WorkflowsRead = requires("workflows:read")
WorkflowsUpdate = requires("workflows:update")
WorkflowsDelete = requires("workflows:delete")

MayRead = requires("workflows:read", accepts_share=True)
MayUpdate = requires("workflows:update", accepts_share=True)
MayDelete = requires("workflows:delete", accepts_share=True)
MayExecute = requires("workflows:execute", accepts_share=True)
