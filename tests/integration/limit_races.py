"""Races on limits. Run as a process of its own against an emulator (AWS_ENDPOINT_URL); prints JSON."""

import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import boto3

from infra import cloudformation
from tests.factories import RegisteredUser, register
from weconnect import clock
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth import authorizer
from weconnect.auth.limits import enforcement
from weconnect.auth.login import registration
from weconnect.auth.rows import RateRow
from weconnect.auth.schemas import NewUser
from weconnect.auth.sessions import sessions
from weconnect.auth.sso import sign_in
from weconnect.auth.sso.schemas import ProviderCallback
from weconnect.db import table
from weconnect.errors import Problem
from weconnect.identity import periods
from weconnect.identity.entities import LimitType
from weconnect.identity.rows import ApiKeyRow, ExecutionLimitRow, TokenRow
from weconnect.organizations.rows import OrganizationRow, UsageRow
from weconnect.security import signing

THREADS, EACH = 25, 4


def run_threads(
    work: Callable[[], Any], threads: int = THREADS, each: int = 1
) -> tuple[Counter[str], list[Any]]:
    """Call `work` from many threads that start together; return its outcomes counted by code, and its results."""
    ends: Counter[str] = Counter()
    results: list[Any] = []
    ready, lock = threading.Barrier(threads), threading.Lock()

    def run() -> None:
        ready.wait()
        for _ in range(each):
            try:
                result, end = work(), "ok"
            except Problem as problem:
                result, end = None, problem.code
            with lock:
                ends[end] += 1
                results.extend([result] if end == "ok" else [])

    started = [threading.Thread(target=run) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return ends, results


def starts(
    hourly: int | None = None, *, last_year: bool = False, left_of_plan: int | None = None
) -> dict[str, Any]:
    """Count a hundred starts of one member at once, then give back all that were counted at once."""
    person = register()
    caller = Caller(
        uuid.UUID(person.user["id"]), uuid.UUID(person.organization["id"]), "owner", frozenset({"*"})
    )
    limit_at = ExecutionLimitRow.at(caller.organization_id, caller.user_id, LimitType.HOURLY)
    if hourly is not None:
        response = person.client.put(
            f"/v1/execution-limits/{caller.user_id}/hourly", {"maxExecutions": hourly}
        )
        assert response.status == 200, response.text
    if last_year:
        full = {"period_start": "2025-01-01T00:00:00.000000Z", "current_executions": hourly}
        table.change(ExecutionLimitRow.get(*limit_at), full, {})
    if left_of_plan is not None:
        _leave_of_plan(person, left_of_plan)

    def counts() -> list[int]:
        row, month = table.get(ExecutionLimitRow, limit_at), table.get(UsageRow, _month(person))
        return [int(row.current_executions) if row else 0, int(month.executions) if month else 0]

    ends, counted = run_threads(
        lambda: enforcement.count_execution(caller, table.get_many(enforcement.keys_to_read(caller))),
        each=EACH,
    )
    outcome: dict[str, Any] = {"ends": ends, "counts": counts()}
    remaining = iter(counted)
    run_threads(lambda: next(remaining).undo(), threads=len(counted))
    return outcome | {"after": counts()}


def key_uses(limits: dict[str, int]) -> dict[str, Any]:
    """Use an API key a hundred times at once that may be used ten times."""
    person = register()
    body = {"name": "ci", "scopes": ["*"], "rateLimits": limits}
    key = person.client.post("/v1/api-keys", body).json["key"]
    request_context = {"http": {"sourceIp": "203.0.113.1"}}
    event = {"headers": {"x-api-key": key}, "requestContext": request_context}
    ends, contexts = run_threads(lambda: authorizer.identify_caller(event), each=EACH)
    left = sorted(int(json.loads(context["headers"])["RateLimit-Remaining"]) for context in contexts)
    rows = RateRow.query(ApiKeyRow.at(sha256(key.encode()).hexdigest())[0], RateRow.sk.startswith("RATE#"))
    raw = [row.to_simple_dict() for row in rows]
    return {
        "ends": ends,
        "left": left,
        "counts": {name: row[name] for row in raw for name in "hd" if row.get(name)},
    }


def sign_ins() -> Counter[str]:
    """Use one state of a single sign-on many times at once."""
    state, organization = "s" * 43, uuid.uuid4()
    pk, sk = TokenRow.at(state)
    details = {"organization_id": str(organization), "browser": sha256(b"browser").hexdigest()}
    table.create(
        TokenRow(pk=pk, sk=sk, purpose=sign_in.PURPOSE, details=details, ttl=clock.epoch_seconds() + 60), {}
    )
    back = ProviderCallback(state=state, code="x", error=None, issuer=None, browser_secret="browser")
    return run_threads(lambda: sign_in._take_state(back, RequestInfo()), threads=8)[0]


def refreshes() -> dict[str, int]:
    """Use one refresh token in many tabs at once."""
    person = register()
    ends, refreshed = run_threads(
        lambda: sessions.refresh_tokens(person.tokens["refreshToken"], None), threads=8
    )
    return {**ends, "successors": len({tokens.refresh_token for tokens in refreshed})}


def registrations() -> Counter[str]:
    """Register one address many times at once."""
    new = NewUser(email="same@example.com", password="Correct-Horse-7", first_name="A", last_name="B")
    ends, _ = run_threads(lambda: registration.register(new, RequestInfo(ip="203.0.113.1")), threads=8)
    return ends


def _leave_of_plan(person: RegisteredUser, left: int) -> None:
    row = OrganizationRow.get(*OrganizationRow.at(person.organization["id"]))
    table.change(row, {"plan": "free"}, {})
    pk, sk = _month(person)
    table.create(UsageRow(pk=pk, sk=sk, executions=100 - left), {})


def _month(person: RegisteredUser) -> tuple[str, str]:
    start, _ = periods.period_containing(LimitType.MONTHLY, clock.now())
    return UsageRow.at(person.organization["id"], start.strftime("%Y-%m"))


def main() -> None:
    """Run all races, with the clock stopped, lest an hour end among them, and print their results."""
    moment = clock.now()
    clock.now = lambda: moment
    boto3.client("dynamodb").create_table(**cloudformation.read_table_definition("weconnect"))
    secret = signing.SigningKey("v", b"s" * 64)
    signing._current, signing._keys_by_id = secret, {secret.id: secret}
    results = {
        "hourly": starts(10),
        "rolled": starts(10, last_year=True),
        "plan": starts(left_of_plan=10),
        "both": starts(15, left_of_plan=10),
        "per minute": key_uses({"requestsPerMinute": 10}),
        "per hour": key_uses({"requestsPerHour": 10}),
        "per day": key_uses({"requestsPerDay": 10}),
        "per minute and hour": key_uses({"requestsPerMinute": 10, "requestsPerHour": 1_000}),
        "per day and hour": key_uses({"requestsPerHour": 1_000, "requestsPerDay": 10}),
        "sign-ins": sign_ins(),
        "refreshes": refreshes(),
        "registrations": registrations(),
    }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
