"""Executions in different states, and requests of bulk jobs."""

from typing import Any

import boto3

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.factories import RegisteredUser
from tests.gateway import ApiResponse, Client
from tests.workflows.definitions import definition, node

FAILING = definition([node("stop", "stop", outcome="failed")], "start > stop")
COMPLETING = definition([node("a", "noop")], "start > a")


def create_bulk_workflow(me: RegisteredUser, *, fails: bool = False, name: str = "Flow") -> str:
    """Create an active workflow, whose executions fail if wanted, and return its ID."""
    return create_workflow(me, FAILING if fails else COMPLETING, name).rpartition("/")[2]


def start_pending(me: RegisteredUser, workflow: str, count: int) -> list[str]:
    """Request executions that have not started yet, and return their IDs, oldest first."""
    path = f"/v1/workflows/{workflow}"
    return [start_execution(me, path).rpartition("/")[2] for _ in range(count)]


def start_finished(me: RegisteredUser, starter: Starter, workflow: str, count: int) -> list[str]:
    """Run executions to their end, and return their IDs, oldest first."""
    execution_ids = start_pending(me, workflow, count)
    starter.run_pending()
    return execution_ids


def post_bulk(client: Client, action: str, *, dry_run: bool = False, **filters: Any) -> ApiResponse:
    return client.post("/v1/executions/bulk", {"action": action, "filter": filters, "dryRun": dry_run})


def create_bulk_job(client: Client, action: str, **filters: Any) -> str:
    """Request a bulk job and return its path."""
    response = post_bulk(client, action, **filters)
    assert response.status == 202, response.text
    path: str = response.headers["Location"]
    assert path == f"/v1/jobs/{response.json['id']}"
    return path


def state_of(me: RegisteredUser, execution_id: str) -> str:
    """Return an execution's status, or `gone`."""
    response = me.client.get(f"/v1/executions/{execution_id}")
    return "gone" if response.status == 404 else str(response.json["status"])


def states(me: RegisteredUser, execution_ids: list[str]) -> list[str]:
    return [state_of(me, execution_id) for execution_id in execution_ids]


def summarize_job(job: Any) -> tuple[str, int, int, int, dict[str, int]]:
    """Return a job's status, done, failed and skipped counts, and the counts by reason."""
    return job["status"], job["done"], job["failed"], job["skipped"], job["result"]["counts"]


def scan_kind(kind: str) -> list[Any]:
    """Return every item of a kind, in DynamoDB's JSON."""
    items = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    return [item for item in items if item["kind"]["S"] == kind]
