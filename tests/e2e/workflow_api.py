"""A user with workflows on a local host, over HTTP, and the workflows of the end-to-end tests."""

from typing import Any

from tests.e2e.fake_services import Effects
from tests.host.local_host import LocalHost, wait_until
from tests.workflows.definitions import definition, node

FINISHED = {"completed", "failed", "cancelled", "timeout"}


class WorkflowApi:
    """Requests of one user, who is registered unless an earlier start of the host did so."""

    def __init__(self, host: LocalHost) -> None:
        self.host = host
        self.headers: dict[str, str] = {}
        body = {"email": "flows@example.com", "password": "Correct-Horse-7-Battery"}
        names = {"firstName": "A", "lastName": "B"}
        host.request("POST", "/v1/auth/register", json=body | names)  # it does not tell who has an account
        session = host.request("POST", "/v1/auth/login", json=body)
        self.headers = {"Authorization": f"Bearer {session.json()['accessToken']}"}

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        response = self.host.request(method, path, json=body, headers=self.headers)
        assert response.status_code < 300, response.text
        return response.json() if response.content else None

    def create_active(self, name: str, value: dict[str, Any]) -> str:
        """Create and activate a workflow; return its path."""
        path = f"/v1/workflows/{self('POST', '/v1/workflows', {'name': name} | value)['id']}"
        self("POST", f"{path}/activate", {})
        return path

    def start_execution(self, path: str, value: Any = None) -> str:
        """Start an execution and return its path."""
        return f"/v1/executions/{self('POST', f'{path}/executions', {'input': value})['id']}"

    def wait_for_status(self, path: str, *statuses: str, seconds: float = 120) -> Any:
        """Return an execution as soon as it has one of these statuses."""

        def in_status() -> Any:
            execution = self("GET", path)
            return execution if execution["status"] in statuses else None

        return wait_until(in_status, seconds)

    def list_children(self, path: str) -> list[Any]:
        """Return the executions that an execution has started."""
        executions = self("GET", "/v1/executions?mode=subworkflow&limit=100")["items"]
        return [execution for execution in executions if path.endswith(execution["parentExecutionId"])]


def effect_node(effects: Effects, id: str, kind: str = "effect", /, **more: Any) -> dict[str, Any]:
    """Return a node that calls the effect with its own name."""
    return node(id, "http_request", method="POST", url=f"http://{effects.address}/{kind}/{id}", **more)


def inner_workflow(effects: Effects) -> dict[str, Any]:
    """Return a sub-workflow with one effect."""
    return definition([effect_node(effects, "inner")], "start > inner")


def twelve_node_workflow(effects: Effects, inner_path: str) -> dict[str, Any]:
    """Return a workflow with branches, condition, retry, merge, timer, callback, loop and sub-workflow."""
    return definition(
        [
            effect_node(effects, "a", body={"token": "{{ $execution.callbackToken }}"}),
            effect_node(effects, "b"),
            node("big", "if", condition="{{ $trigger.n > 1 }}"),
            effect_node(effects, "c", "flaky", retry={"maxAttempts": 3}),
            node("merge", "merge", mode="all"),
            node("nap", "wait", seconds=1),
            node("hook", "wait", until="callback", seconds=3_600),
            node("split", "split", field="orders"),
            node("each", "loop", batchSize=1),
            effect_node(effects, "body"),
            node("sub", "subworkflow", workflowId=inner_path.rpartition("/")[2]),
        ],
        *("start > a", "start > b", "a > big", "big.true > c", "c > merge.c", "b > merge.b"),
        *("merge > nap", "nap > hook", "hook > split", "split > each"),
        *("each.loop > body", "body > each", "each.done > sub"),
    )
