"""A user with workflows on a local host, over HTTP."""

from typing import Any

from tests.e2e.services import Effects
from tests.host.local_host import LocalHost, wait_until
from tests.workflows.definitions import definition, node

ENDED = {"completed", "failed", "cancelled", "timeout"}


class Api:
    """Requests of one user, who is registered or known from an earlier start."""

    def __init__(self, host: LocalHost) -> None:
        self.host = host
        self.headers: dict[str, str] = {}
        body = {"email": "flows@example.com", "password": "Correct-Horse-7-Battery"}
        names = {"firstName": "A", "lastName": "B"}
        registered = host.request("POST", "/v1/auth/register", json=body | names)
        if registered.status_code == 409:
            registered = host.request("POST", "/v1/auth/login", json=body)
        self.headers = {"Authorization": f"Bearer {registered.json()['accessToken']}"}

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.host.request(method, path, json=body, headers=self.headers)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def made(self, name: str, value: dict[str, Any]) -> str:
        """The path of a new, active workflow."""
        path = f"/v1/workflows/{self('POST', '/v1/workflows', {'name': name} | value)['id']}"
        self("POST", f"{path}/activate", {})
        return path

    def begun(self, path: str, value: Any = None) -> str:
        """The path of a new run."""
        return f"/v1/executions/{self('POST', f'{path}/executions', {'input': value})['id']}"

    def until(self, run: str, *statuses: str, seconds: float = 120) -> Any:
        """The run as soon as it has one of these states."""

        def there() -> Any:
            found = self("GET", run)
            return found if found["status"] in statuses else None

        return wait_until(there, seconds)

    def children(self, run: str) -> list[Any]:
        """The runs that a run has started."""
        found = self("GET", "/v1/executions?mode=subworkflow&limit=100")["items"]
        return [each for each in found if run.endswith(each["parentExecutionId"])]


def http(effects: Effects, id: str, kind: str = "effect", /, **more: Any) -> dict[str, Any]:
    """A node that calls an effect of its own name."""
    return node(id, "http_request", method="POST", url=f"http://{effects.place}/{kind}/{id}", **more)


def inner(effects: Effects) -> dict[str, Any]:
    """A sub-workflow with one effect."""
    return definition([http(effects, "inner")], "start > inner")


def of_twelve_nodes(effects: Effects, inner_path: str) -> dict[str, Any]:
    """Branches, a condition, a retry, a merge, a timer, a callback, a loop and a sub-workflow."""
    return definition(
        [
            http(effects, "a", body={"token": "{{ $execution.callbackToken }}"}),
            http(effects, "b"),
            node("big", "if", condition="{{ $trigger.n > 1 }}"),
            http(effects, "c", "flaky", retry={"maxAttempts": 3}),
            node("merge", "merge", mode="all"),
            node("nap", "wait", seconds=1),
            node("hook", "wait", until="callback", seconds=3_600),
            node("split", "split", field="orders"),
            node("each", "loop", batchSize=1),
            http(effects, "body"),
            node("sub", "subworkflow", workflowId=inner_path.rpartition("/")[2]),
        ],
        *("start > a", "start > b", "a > big", "big.true > c", "c > merge.c", "b > merge.b"),
        *("merge > nap", "nap > hook", "hook > split", "split > each"),
        *("each.loop > body", "body > each", "each.done > sub"),
    )
