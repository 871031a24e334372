"""A workflow with code on the local host: it runs, it fails alone, and the host is none the worse."""

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


def ran(host: LocalHost, headers: dict[str, str], code: str, given: Any) -> Any:
    """A run of a workflow that is this code, when it has ended."""

    def answer(method: str, path: str, **options: Any) -> Any:
        found = host.request(method, path, headers=headers, **options)
        assert found.is_success, found.text
        return found.json()

    value = definition([node("c", "code", code=code, mode="all")], "start > c")
    workflow = answer("POST", "/v1/workflows", json={"name": code[:50], **value})["id"]
    answer("POST", f"/v1/workflows/{workflow}/activate", json={})
    run = answer("POST", f"/v1/workflows/{workflow}/executions", json={"input": given})["id"]

    def ended() -> Any:
        found = answer("GET", f"/v1/executions/{run}")
        return found if found["status"] in ("completed", "failed") else None

    return wait_until(ended)


def test_code_runs_on_a_laptop(host: LocalHost, headers: dict[str, str]) -> None:
    run = ran(host, headers, "return {'sum': sum(item['n'] for item in items)}", [{"n": 1}, {"n": 2}])
    assert (run["status"], run["output"]) == ("completed", [{"sum": 3}])


def test_code_that_kills_all_it_sees_fails_alone(host: LocalHost, headers: dict[str, str]) -> None:
    run = ran(host, headers, "import os\nos.kill(os.getppid(), 9)\nos._exit(1)", {})
    assert (run["status"], run["error"]["code"]) == ("failed", "code_failed")
    assert ran(host, headers, "return {'still': 'here'}", {})["output"] == [{"still": "here"}]


def test_code_finds_no_secret_of_the_host(host: LocalHost, headers: dict[str, str]) -> None:
    looks = f"""
import os
found = [str(dict(os.environ))]
for folder, _, names in os.walk({str(host.state)!r}):
    found += names
return {{"found": found, "alone": os.getpid() == 1}}"""
    (item,) = ran(host, headers, looks, {})["output"]
    assert "AWS" not in item["found"][0]
    if item["alone"]:  # where the system allows no namespaces, code sees what the developer sees
        assert item["found"][1:] == []
