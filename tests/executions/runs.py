"""Making workflows and running them through their routes."""

from typing import Any

from tests.agents.runs import Starter
from tests.factories import Registered


def made(me: Registered, value: dict[str, Any], name: str = "Flow") -> str:
    """The path of a new, active workflow."""
    answer = me.client.post("/v1/workflows", {"name": name, **value})
    assert answer.status == 201, answer.text
    path = answer.headers["Location"]
    active = me.client.post(f"{path}/activate", {})
    assert active.status == 200, active.text
    return path


def begun(me: Registered, path: str, value: Any = None, **more: Any) -> str:
    """The path of a new run."""
    answer = me.client.post(f"{path}/executions", {"input": value, **more})
    assert answer.status == 202, answer.text
    return answer.headers["Location"]


def ran(
    me: Registered, starter: Starter, value: dict[str, Any], given: Any = None, name: str = "Flow"
) -> Any:
    """A durable run, carried out as far as it goes, with its nodes."""
    run = begun(me, made(me, value, name), given)
    starter.run_pending()
    return me.client.get(run).json


def statuses(run: Any) -> dict[str, str]:
    """What came of each node, by path."""
    return {node["path"]: node["status"] for node in run["nodes"]}
