"""The manifest of the workflows."""

from weconnect.manifest import EXECUTION_ENDED, EventSource, ExportPart, Module, PlanQuota

_CREATION_ROUTES = ("create_workflow", "duplicate_workflow", "import_workflow", "restore_workflow")

MODULE = Module(
    permissions={"workflows": ("create", "read", "update", "delete", "execute")},
    rows=(
        "weconnect.workflows.executions.rows",
        "weconnect.workflows.rows",
        "weconnect.workflows.sharing.rows",
        "weconnect.workflows.variables.rows",
    ),
    trash={"WORKFLOW": "weconnect.workflows.purge:purge"},
    erase_organization="weconnect.workflows.purge:erase_organization",
    erase_member="weconnect.workflows.sharing.purge:delete_shares_with",
    close_access="weconnect.workflows.sharing.purge:close_access",
    export={
        "workflows": ExportPart(
            function="weconnect.workflows.export:export_workflows",
            description="Each workflow as `POST /v1/workflows/import` accepts it",
        )
    },
    events={
        "EXECUTION": EventSource(
            change=EXECUTION_ENDED,
            types={
                "workflow.run.completed": (
                    "An execution of a workflow completed; no test, and not one that another waited for"
                ),
                "workflow.run.failed": (
                    "An execution of a workflow failed or timed out; no test, and not one that another waited for"
                ),
            },
            build="weconnect.workflows.executions.events:build_message",
        )
    },
    job_types={"bulk_executions": "weconnect.workflows.executions.bulk_job:JOB"},
    quotas={
        "workflows": PlanQuota(limit_field="max_workflows", noun="workflows", key_part="WORKFLOW"),
        # Plans limit them already; until a module stores credentials, none are counted.
        "credentials": PlanQuota(limit_field="max_credentials", noun="credentials", key_part="CREDENTIAL"),
    },
    triggers={"event": "weconnect.workflows.definition.event_trigger:TRIGGER"},
    node_packages=("weconnect.workflows.nodes",),
    execution_kinds={"workflow": "weconnect.workflows.executions.kind:WORKFLOW"},
    tool_offers={"workflow": "weconnect.workflows.definition.tool_offers"},
    tags={
        "Workflows": "Workflows, their versions, validation, import and export.",
        "Workflow shares": "Shares of a workflow with members, with roles, and by link.",
        "Variables": "Variables and secrets of workflows and of the organization.",
        "Node types": "The catalogue of node types.",
    },
    tags_rank=20,
    role="WorkflowsRole",
    reading_role="ContentReadingRole",
    roles_by_route={
        "archive_workflow": "WorkflowClosingRole",
        "deactivate_workflow": "WorkflowClosingRole",
        "delete_workflow": "WorkflowClosingRole",
        "test_node": "ExpressRole",
        **dict.fromkeys(_CREATION_ROUTES, "WorkflowCreationRole"),
    },
    memory_by_route={"test_node": 1024},
)
