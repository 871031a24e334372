"""Code nodes on the local host: code runs isolated, and its failure does not affect the host."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.host.local_host import LocalHost, wait_until
from tests.workflows.definitions import definition, node


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHost]:
    host = LocalHost(tmp_path_factory.mktemp("code"), environment={"BCRYPT_COST": "4"}).start()
    yield host
    host.stop()


@pytest.fixture(scope="module")
def headers(host: LocalHost) -> dict[str, str]:
    person = {
        "email": "c@example.com",
        "password": "Correct-Horse-7-Battery",
        "firstName": "C",
        "lastName": "D",
    }
    registered = host.request("POST", "/v1/auth/register", json=person)
    assert registered.status_code == 201, registered.text
    return {"authorization": f"Bearer {registered.json()['accessToken']}"}


def execute_code(host: LocalHost, headers: dict[str, str], code: str, execution_input: Any) -> Any:
    """Execute a workflow that consists of this code, and return the finished execution."""

    def call(method: str, path: str, **options: Any) -> Any:
        response = host.request(method, path, headers=headers, **options)
        assert response.is_success, response.text
        return response.json()

    value = definition([node("c", "code", code=code, mode="all")], "start > c")
    workflow = call("POST", "/v1/workflows", json={"name": f"Code {uuid.uuid4()}", **value})["id"]
    call("POST", f"/v1/workflows/{workflow}/activate", json={})
    execution_id = call("POST", f"/v1/workflows/{workflow}/executions", json={"input": execution_input})["id"]

    def finished() -> Any:
        response = call("GET", f"/v1/executions/{execution_id}")
        return response if response["status"] in ("completed", "failed") else None

    return wait_until(finished)


def test_a_code_node_returns_its_result(host: LocalHost, headers: dict[str, str]) -> None:
    execution = execute_code(
        host, headers, "return {'sum': sum(item['n'] for item in items)}", [{"n": 1}, {"n": 2}]
    )
    assert (execution["status"], execution["output"]) == ("completed", [{"sum": 3}])


def test_code_that_kills_its_parent_fails_alone(host: LocalHost, headers: dict[str, str]) -> None:
    execution = execute_code(host, headers, "import os\nos.kill(os.getppid(), 9)\nos._exit(1)", {})
    assert (execution["status"], execution["error"]["code"]) == ("failed", "code_failed")
    assert execute_code(host, headers, "return {'still': 'here'}", {})["output"] == [{"still": "here"}]


def test_code_sees_no_secrets_of_the_host(host: LocalHost, headers: dict[str, str]) -> None:
    code = f"""
import os
found = [str(dict(os.environ))]
for folder, _, names in os.walk({str(host.state)!r}):
    found += names
return {{"found": found, "alone": os.getpid() == 1}}"""
    (item,) = execute_code(host, headers, code, {})["output"]
    assert "AWS" not in item["found"][0]
    if item["alone"]:  # on a system without namespaces code sees the files of the developer
        assert item["found"][1:] == []
