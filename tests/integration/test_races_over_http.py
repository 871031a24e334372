"""A hundred callers at once over HTTP, against the local host in processes of its own."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories import PASSWORD
from tests.host.local_host import LocalHost, wait_until
from tests.integration.racing import run_concurrently

CALLERS = 100


class Web:
    """A client with one connection a request, like a hundred machines."""

    def __init__(self, host: LocalHost) -> None:
        self.port = int(host.details["port"])

    def send(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        finally:
            connection.close()

    def send_many(self, *request: Any, count: int = CALLERS) -> list[tuple[int, Any]]:
        return run_concurrently(count, lambda _: self.send(*request))


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    environment = {"BCRYPT_COST": "4", "WECONNECT_DEMO": "no"}
    host = LocalHost(tmp_path_factory.mktemp("host"), environment=environment).start()
    yield Web(host)
    host.stop()


def person(email: str) -> dict[str, str]:
    return {"email": email, "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace"}


def register_user(web: Web, email: str) -> Any:
    status, body = web.send("POST", "/v1/auth/register", person(email))
    assert status == 201, body
    return body


def count_statuses(responses: list[tuple[int, Any]]) -> Counter[int]:
    return Counter(status for status, _ in responses)


def test_a_limit_of_ten_admits_ten_of_a_hundred_starts(web: Web) -> None:
    me = register_user(web, "starts@example.com")
    token = me["accessToken"]
    _, agent = web.send("POST", "/v1/agents", {"name": "Helper"}, token)
    limit = f"/v1/execution-limits/{me['user']['id']}/hourly"
    assert web.send("PUT", limit, {"maxExecutions": 10}, token)[0] == 200
    path = f"/v1/agents/{agent['id']}/executions"
    responses = web.send_many("POST", path, {"input": "What is 2 + 2?"}, token)
    assert count_statuses(responses) == {202: 10, 429: 90}
    assert {body["code"] for status, body in responses if status == 429} == {"execution_limit_reached"}
    _, limits = web.send("GET", "/v1/execution-limits", None, token)
    assert [item["currentExecutions"] for item in limits["items"]] == [10]
    _, organization = web.send("GET", f"/v1/organizations/{me['organization']['id']}", None, token)
    assert organization["currentMonthExecutions"] == 10

    def ended() -> list[str]:
        items = web.send("GET", path + "?limit=100", None, token)[1]["items"]
        assert len(items) == 10
        return [item["id"] for item in items if item["status"] == "completed"]

    accepted = {body["id"] for status, body in responses if status == 202}
    assert set(wait_until(lambda: len(ended()) == 10 and ended(), 60)) == accepted
    _, head = web.send("GET", f"/v1/agents/{agent['id']}", None, token)
    assert (head["totalExecutions"], head["successRate"], head["version"]) == (10, 100, 1)


def test_one_of_a_hundred_registers_an_address(web: Web) -> None:
    responses = web.send_many("POST", "/v1/auth/register", person("wanted@example.com"))
    assert count_statuses(responses) == {201: 100}, "nobody learns who has an account"
    status, tokens = web.send("POST", "/v1/auth/login", {"email": "wanted@example.com", "password": PASSWORD})
    assert status == 200
    _, me = web.send("GET", "/v1/users/me", None, tokens["accessToken"])
    (winner,) = [body for _, body in responses if me["id"] == body["user"]["id"]]
    _, mine = web.send("GET", "/v1/organizations", None, tokens["accessToken"])
    assert [item["id"] for item in mine["items"]] == [winner["organization"]["id"]], "the others left nothing"


def test_a_hundred_tabs_refresh_to_one_successor(web: Web) -> None:
    """Within the grace period every request gets the successor that the first one got; no session ends."""
    me = register_user(web, "tabs@example.com")
    responses = web.send_many("POST", "/v1/auth/refresh", {"refreshToken": me["refreshToken"]})
    assert count_statuses(responses) == {200: CALLERS}
    successors = {body["refreshToken"] for _, body in responses}
    assert len(successors) == 1 and me["refreshToken"] not in successors
    status, later = web.send("POST", "/v1/auth/refresh", {"refreshToken": successors.pop()})
    assert status == 200
    assert web.send("GET", "/v1/users/me", None, later["accessToken"])[0] == 200
    status, reused = web.send("POST", "/v1/auth/refresh", {"refreshToken": me["refreshToken"]})
    assert (status, reused["code"]) == (401, "refresh_token_reused"), "two generations old"
    assert web.send("POST", "/v1/auth/refresh", {"refreshToken": later["refreshToken"]})[0] == 401


def test_a_hundred_concurrent_sign_ins_succeed(web: Web) -> None:
    register_user(web, "door@example.com")
    responses = web.send_many("POST", "/v1/auth/login", {"email": "door@example.com", "password": PASSWORD})
    assert count_statuses(responses) == {200: CALLERS}
    assert len({body["refreshToken"] for _, body in responses}) == CALLERS
    _, me = web.send("GET", "/v1/users/me", None, responses[-1][1]["accessToken"])
    assert me["metadata"]["loginCount"] == CALLERS + 1


def test_one_of_a_hundred_creates_an_agent_of_a_name(web: Web) -> None:
    token = register_user(web, "names@example.com")["accessToken"]
    responses = web.send_many("POST", "/v1/agents", {"name": "Helper"}, token)
    assert count_statuses(responses) == {201: 1, 409: 99}
    assert len(web.send("GET", "/v1/agents?limit=100", None, token)[1]["items"]) == 1
