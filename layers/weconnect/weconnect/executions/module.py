"""The manifest of the executions."""

from weconnect.manifest import Module

MODULE = Module(
    permissions={"executions": ("read", "update", "delete")},
    rows=("weconnect.executions.rows",),
    close_access="weconnect.executions.closing:close_access",
    trash={"EXECUTION": "weconnect.executions.purge:purge"},
    tags={"Executions": "Executions of workflows: starting, observing and controlling them."},
    tags_rank=30,
    role="ExecutionsRole",
    reading_role="ContentReadingRole",
    roles_by_route={
        "bulk_executions": "BulkRole",
        "delete_execution": "ExecutionDeletionRole",
        "get_node_execution": "NodeExecutionRole",
        "start_execution": "ExpressRole",  # executes an express workflow, with what its nodes may reach
        "wait_for_execution_events": "WaitingRole",
    },
    memory_by_route={"start_execution": 1024, "wait_for_execution_events": 256},
)
