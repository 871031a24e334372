"""The routes of jobs in the tests that call every route."""

from tests.api.module_matrix import ExampleRequest, ModuleMatrix, Side, created


def add_entities(side: Side) -> None:
    """Create two jobs; the side's is the first."""
    retries = {"action": "retry", "filter": {"workflowId": side.ids["workflowId"]}}
    job, _ = (created(side.client.post("/v1/executions/bulk", retries)) for _ in range(2))
    side.ids["jobId"] = job["id"]


MATRIX = ModuleMatrix(
    after=("executions", "workflows"),
    add_entities=add_entities,
    requests={
        "cancel_job": ExampleRequest(kind="update", permission="executions:update"),
        "get_job": ExampleRequest(kind="update", permission="executions:update"),
        "list_jobs": ExampleRequest(),
    },
)
