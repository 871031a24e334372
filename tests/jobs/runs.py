"""Runs in the states that jobs find them in, and asking for jobs."""

from typing import Any

import boto3

from tests.agents.runs import Starter
from tests.executions.runs import begun, made
from tests.factories import Registered
from tests.gateway import Answer, Client
from tests.workflows.definitions import definition, node

FAILING = definition([node("stop", "stop", outcome="failed")], "start > stop")
FINE = definition([node("a", "noop")], "start > a")


def flow(me: Registered, *, fails: bool = False, name: str = "Flow") -> str:
    """The id of an active workflow, whose runs fail or do not."""
    return made(me, FAILING if fails else FINE, name).rpartition("/")[2]


def pending(me: Registered, workflow: str, count: int) -> list[str]:
    """The ids of new runs that have not begun, oldest first."""
    path = f"/v1/workflows/{workflow}"
    return [begun(me, path).rpartition("/")[2] for _ in range(count)]


def ended(me: Registered, starter: Starter, workflow: str, count: int) -> list[str]:
    """The ids of new runs that have ended, oldest first."""
    found = pending(me, workflow, count)
    starter.run_pending()
    return found


def bulk(asking: Client, action: str, *, dry: bool = False, **wanted: Any) -> Answer:
    return asking.post("/v1/executions/bulk", {"action": action, "filter": wanted, "dryRun": dry})


def asked(asking: Client, action: str, **wanted: Any) -> str:
    """The path of a new job."""
    answer = bulk(asking, action, **wanted)
    assert answer.status == 202, answer.text
    path: str = answer.headers["Location"]
    assert path == f"/v1/jobs/{answer.json['id']}"
    return path


def state_of(me: Registered, execution_id: str) -> str:
    """A run's status, or `gone`."""
    answer = me.client.get(f"/v1/executions/{execution_id}")
    return "gone" if answer.status == 404 else str(answer.json["status"])


def states(me: Registered, execution_ids: list[str]) -> list[str]:
    return [state_of(me, execution_id) for execution_id in execution_ids]


def counts(job: Any) -> tuple[str, int, int, int, dict[str, int]]:
    """What matters of a job: status, done, failed, skipped, and by reason."""
    return job["status"], job["done"], job["failed"], job["skipped"], job["result"]["counts"]


def stored(kind: str) -> list[Any]:
    """Every item of a kind, in DynamoDB's JSON."""
    found = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    return [item for item in found if item["kind"]["S"] == kind]
