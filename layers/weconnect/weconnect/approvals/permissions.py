"""Permissions of the approvals' routes, as parameter types."""

from weconnect.api.caller import requires

ApprovalsRead = requires("agents:read")  # the arguments are those of a step of the execution
ApprovalsDecide = requires("agents:execute")
