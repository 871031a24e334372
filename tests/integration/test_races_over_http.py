"""A hundred callers at once over HTTP, against the local host in processes of its own."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories import PASSWORD
from tests.host.local_host import LocalHost, wait_until
from tests.integration.racing import together

CALLERS = 100


class Web:
    """One connection a request, as a hundred machines have."""

    def __init__(self, host: LocalHost) -> None:
        self.port = int(host.details["port"])

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def all_at_once(self, *request: Any, count: int = CALLERS) -> list[tuple[int, Any]]:
        return together(count, lambda _: self.ask(*request))


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    environment = {"BCRYPT_COST": "4", "WECONNECT_DEMO": "no"}
    host = LocalHost(tmp_path_factory.mktemp("host"), environment=environment).start()
    yield Web(host)
    host.stop()


def person(email: str) -> dict[str, str]:
    return {"email": email, "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace"}


def registered(web: Web, email: str) -> Any:
    status, answer = web.ask("POST", "/v1/auth/register", person(email))
    assert status == 201, answer
    return answer


def statuses(answers: list[tuple[int, Any]]) -> Counter[int]:
    return Counter(status for status, _ in answers)


def test_a_limit_of_ten_lets_ten_of_a_hundred_start(web: Web) -> None:
    me = registered(web, "starts@example.com")
    token = me["accessToken"]
    _, agent = web.ask("POST", "/v1/agents", {"name": "Helper"}, token)
    limit = f"/v1/execution-limits/{me['user']['id']}/hourly"
    assert web.ask("PUT", limit, {"maxExecutions": 10}, token)[0] == 200
    runs = f"/v1/agents/{agent['id']}/executions"
    answers = web.all_at_once("POST", runs, {"input": "What is 2 + 2?"}, token)
    assert statuses(answers) == {202: 10, 429: 90}
    assert {answer["code"] for status, answer in answers if status == 429} == {"execution_limit_reached"}
    _, limits = web.ask("GET", "/v1/execution-limits", None, token)
    assert [item["currentExecutions"] for item in limits["items"]] == [10]
    _, organization = web.ask("GET", f"/v1/organizations/{me['organization']['id']}", None, token)
    assert organization["currentMonthExecutions"] == 10

    def ended() -> list[str]:
        items = web.ask("GET", runs + "?limit=100", None, token)[1]["items"]
        assert len(items) == 10
        return [item["id"] for item in items if item["status"] == "completed"]

    accepted = {answer["id"] for status, answer in answers if status == 202}
    assert set(wait_until(lambda: len(ended()) == 10 and ended(), 60)) == accepted
    _, head = web.ask("GET", f"/v1/agents/{agent['id']}", None, token)
    assert (head["totalExecutions"], head["successRate"], head["version"]) == (10, 100, 1)


def test_one_of_a_hundred_gets_an_address(web: Web) -> None:
    answers = web.all_at_once("POST", "/v1/auth/register", person("wanted@example.com"))
    assert statuses(answers) == {201: 1, 409: 99}
    assert {answer["code"] for status, answer in answers if status == 409} == {"email_taken"}
    status, tokens = web.ask("POST", "/v1/auth/login", {"email": "wanted@example.com", "password": PASSWORD})
    assert status == 200
    _, me = web.ask("GET", "/v1/users/me", None, tokens["accessToken"])
    winner = next(answer for status, answer in answers if status == 201)
    assert me["id"] == winner["user"]["id"]
    _, mine = web.ask("GET", "/v1/organizations", None, tokens["accessToken"])
    assert [item["id"] for item in mine["items"]] == [winner["organization"]["id"]], "the others left nothing"


def test_a_hundred_tabs_refresh_to_one_successor(web: Web) -> None:
    """Whoever comes within the grace gets the successor that the first one got; nobody's session ends."""
    me = registered(web, "tabs@example.com")
    answers = web.all_at_once("POST", "/v1/auth/refresh", {"refreshToken": me["refreshToken"]})
    assert statuses(answers) == {200: CALLERS}
    successors = {answer["refreshToken"] for _, answer in answers}
    assert len(successors) == 1 and me["refreshToken"] not in successors
    status, later = web.ask("POST", "/v1/auth/refresh", {"refreshToken": successors.pop()})
    assert status == 200
    assert web.ask("GET", "/v1/users/me", None, later["accessToken"])[0] == 200
    status, reused = web.ask("POST", "/v1/auth/refresh", {"refreshToken": me["refreshToken"]})
    assert (status, reused["code"]) == (401, "refresh_token_reused"), "two generations old"
    assert web.ask("POST", "/v1/auth/refresh", {"refreshToken": later["refreshToken"]})[0] == 401


def test_a_hundred_sign_in(web: Web) -> None:
    registered(web, "door@example.com")
    answers = web.all_at_once("POST", "/v1/auth/login", {"email": "door@example.com", "password": PASSWORD})
    assert statuses(answers) == {200: CALLERS}
    assert len({answer["refreshToken"] for _, answer in answers}) == CALLERS
    _, me = web.ask("GET", "/v1/users/me", None, answers[-1][1]["accessToken"])
    assert me["metadata"]["loginCount"] == CALLERS + 1


def test_a_hundred_agents_of_one_name(web: Web) -> None:
    token = registered(web, "names@example.com")["accessToken"]
    answers = web.all_at_once("POST", "/v1/agents", {"name": "Helper"}, token)
    assert statuses(answers) == {201: 1, 409: 99}
    assert len(web.ask("GET", "/v1/agents?limit=100", None, token)[1]["items"]) == 1
