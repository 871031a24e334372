"""Run as a process of its own against an emulator (AWS_ENDPOINT_URL): many at once. Prints what came of it as JSON."""

import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import boto3

from infra import cloudformation
from tests.factories import Registered, registered
from weconnect import clock
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth import authorizer
from weconnect.auth.entities import LimitType, NewUser
from weconnect.auth.limits import enforcement as limits
from weconnect.auth.login import login as service
from weconnect.auth.rows import ApiKeyRow, ExecutionLimitRow, RateRow, TokenRow
from weconnect.auth.sessions import sessions
from weconnect.auth.sso import sign_in as sso
from weconnect.auth.sso.entities import Returned
from weconnect.db import registry as rows
from weconnect.db import table
from weconnect.errors import Problem
from weconnect.identity import periods
from weconnect.organizations.rows import OrganizationRow, UsageRow
from weconnect.security import signing

THREADS, EACH = 25, 4
assert rows


def at_once(work: Callable[[], Any], threads: int = THREADS, each: int = 1) -> tuple[Counter[str], list[Any]]:
    """Do `work` from many threads that begin together; answers how often it ended how, and what it gave."""
    ends: Counter[str] = Counter()
    gave: list[Any] = []
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
                gave.extend([result] if end == "ok" else [])

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return ends, gave


def starts(
    hourly: int | None = None, *, last_year: bool = False, left_of_plan: int | None = None
) -> dict[str, Any]:
    """A hundred starts of one member at once, then everything given back at once."""
    person = registered()
    who = Caller(
        uuid.UUID(person.user["id"]), uuid.UUID(person.organization["id"]), "owner", frozenset({"*"})
    )
    limit_at = ExecutionLimitRow.at(who.organization_id, who.user_id, LimitType.HOURLY)
    if hourly is not None:
        answer = person.client.put(f"/v1/execution-limits/{who.user_id}/hourly", {"maxExecutions": hourly})
        assert answer.status == 200, answer.text
    if last_year:
        full = {"period_start": "2025-01-01T00:00:00.000000Z", "current_executions": hourly}
        table.change(ExecutionLimitRow.get(*limit_at), full, {})
    if left_of_plan is not None:
        _leave_of_plan(person, left_of_plan)

    def counts() -> list[int]:
        row, month = table.get(ExecutionLimitRow, limit_at), table.get(UsageRow, _month(person))
        return [int(row.current_executions) if row else 0, int(month.executions) if month else 0]

    ends, taken = at_once(lambda: limits.take(who, table.get_many(limits.keys(who))), each=EACH)
    found: dict[str, Any] = {"ends": ends, "counts": counts()}
    every = iter(taken)
    at_once(lambda: next(every).give_back(), threads=len(taken))
    return found | {"after": counts()}


def key_uses(limits: dict[str, int]) -> dict[str, Any]:
    """A hundred uses at once of an API key that may be used ten times."""
    person = registered()
    body = {"name": "ci", "scopes": ["*"], "rateLimits": limits}
    key = person.client.post("/v1/api-keys", body).json["key"]
    context = {"http": {"sourceIp": "203.0.113.1"}}
    event = {"headers": {"x-api-key": key}, "requestContext": context}
    ends, contexts = at_once(lambda: authorizer.identify(event), each=EACH)
    left = sorted(int(json.loads(found["headers"])["RateLimit-Remaining"]) for found in contexts)
    rows = RateRow.query(ApiKeyRow.at(sha256(key.encode()).hexdigest())[0], RateRow.sk.startswith("RATE#"))
    raw = [row.to_simple_dict() for row in rows]
    return {
        "ends": ends,
        "left": left,
        "counts": {name: row[name] for row in raw for name in "hd" if row.get(name)},
    }


def sign_ins() -> Counter[str]:
    """One state of a single sign-on from many at once."""
    state, organization = "s" * 43, uuid.uuid4()
    pk, sk = TokenRow.at(state)
    details = {"organization_id": str(organization), "browser": sha256(b"browser").hexdigest()}
    table.create(TokenRow(pk=pk, sk=sk, purpose=sso.PURPOSE, details=details, ttl=clock.epoch() + 60), {})
    back = Returned(state=state, code="x", error=None, issuer=None, browser="browser")
    return at_once(lambda: sso._take(back, RequestInfo()), threads=8)[0]


def refreshes() -> dict[str, int]:
    """One refresh token from many tabs at once."""
    person = registered()
    ends, gave = at_once(lambda: sessions.refresh(person.tokens["refreshToken"], None), threads=8)
    return {**ends, "successors": len({tokens.refresh_token for tokens in gave})}


def registrations() -> Counter[str]:
    """One address from many at once."""
    new = NewUser(email="same@example.com", password="Correct-Horse-7", first_name="A", last_name="B")
    ends, _ = at_once(lambda: service.register(new, RequestInfo(ip="203.0.113.1")), threads=8)
    return ends


def _leave_of_plan(person: Registered, left: int) -> None:
    row = OrganizationRow.get(*OrganizationRow.at(person.organization["id"]))
    table.change(row, {"plan": "free"}, {})
    pk, sk = _month(person)
    table.create(UsageRow(pk=pk, sk=sk, executions=100 - left), {})


def _month(person: Registered) -> tuple[str, str]:
    start, _ = periods.of(LimitType.MONTHLY, clock.now())
    return UsageRow.at(person.organization["id"], start.strftime("%Y-%m"))


def main() -> None:
    """Run all of them, at one moment, lest an hour ends in the middle."""
    moment = clock.now()
    clock.now = lambda: moment
    boto3.client("dynamodb").create_table(**cloudformation.table_definition("weconnect"))
    secret = signing.SigningKey("v", b"s" * 64)
    signing._current, signing._known = secret, {secret.id: secret}
    found = {
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
    print(json.dumps(found))


if __name__ == "__main__":
    main()
