"""Run as a process of its own against an emulator (AWS_ENDPOINT_URL): many at once. Prints what came of it as JSON."""

import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import boto3

from infra import cloudformation
from tests.factories import Registered, registered
from weconnect import clock, rows, signing, table
from weconnect.auth import limits, periods, service, sessions
from weconnect.auth.entities import LimitType, NewUser
from weconnect.auth.rows import ExecutionLimitRow
from weconnect.caller import Caller, RequestInfo
from weconnect.errors import Problem
from weconnect.organizations.rows import OrganizationRow, UsageRow

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
        "refreshes": refreshes(),
        "registrations": registrations(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
