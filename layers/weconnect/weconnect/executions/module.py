"""The manifest of the executions of workflows."""

from weconnect.manifest import EventSource, Module

MODULE = Module(
    permissions={"executions": ("read", "update", "delete")},
    rows=("weconnect.executions.rows",),
    erase_organization="weconnect.executions.purge:erase_organization",
    events={
        "EXECUTION": EventSource(
            change={
                "eventName": ["MODIFY"],
                "dynamodb": {
                    "NewImage": {"status": {"S": ["completed", "failed", "timeout"]}},
                    "OldImage": {"status": {"S": ["pending", "running", "waiting", "paused"]}},
                },
            },
            types={
                "workflow.run.completed": (
                    "An execution of a workflow completed; no test, and not one that another waited for"
                ),
                "workflow.run.failed": "An execution of a workflow failed or timed out",
            },
            build="weconnect.executions.events:build_message",
        )
    },
    tags={"Executions": "Executions of workflows: starting, observing and controlling them."},
    tags_rank=30,
    role="ExecutionsRole",
    # An express workflow is executed within the request, with what its nodes may reach.
    roles_by_route={"start_execution": "WorkflowsRole"},
)
