"""Helpers that create and execute workflows through their routes."""

from typing import Any

from tests.agents.execution_helpers import Starter
from tests.factories import RegisteredUser
from tests.workflows.definitions import node


def create_workflow(me: RegisteredUser, definition: dict[str, Any], name: str = "Flow") -> str:
    """Create and activate a workflow; return its path."""
    answer = me.client.post("/v1/workflows", {"name": name, **definition})
    assert answer.status == 201, answer.text
    path = answer.headers["Location"]
    active = me.client.post(f"{path}/activate", {})
    assert active.status == 200, active.text
    return path


def start_execution(me: RegisteredUser, workflow_path: str, execution_input: Any = None, **more: Any) -> str:
    """Start an execution and return its path."""
    answer = me.client.post(f"{workflow_path}/executions", {"input": execution_input, **more})
    assert answer.status == 202, answer.text
    return answer.headers["Location"]


def execute_workflow(
    me: RegisteredUser,
    starter: Starter,
    definition: dict[str, Any],
    execution_input: Any = None,
    name: str = "Flow",
) -> Any:
    """Execute a new workflow as far as it goes; return the execution with its nodes."""
    execution = start_execution(me, create_workflow(me, definition, name), execution_input)
    starter.run_pending()
    return me.client.get(execution).json


def statuses_by_path(execution: Any) -> dict[str, str]:
    """Return the status of each node run, by path."""
    return {node["path"]: node["status"] for node in execution["nodes"]}


def http_node(id: str, url: str = "https://example.com", **more: Any) -> dict[str, Any]:
    """Return an `http_request` node that posts to a URL."""
    return node(id, "http_request", method="POST", url=url, **more)
