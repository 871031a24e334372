"""Permissions of the routes of executions, as parameter types. A shared workflow opens the caller's own executions."""

from weconnect.api.caller import requires

ExecutionsRead = requires("executions:read", accepts_share=True)
ExecutionsUpdate = requires("executions:update", accepts_share=True)
ExecutionsUpdateMany = requires("executions:update")
ExecutionsDelete = requires("executions:delete")
