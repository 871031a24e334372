"""Execution limits that are set and counted, for the tests of both."""

from typing import Any
from uuid import UUID

from tests.factories import RegisteredUser
from weconnect.api.caller import Caller
from weconnect.auth.limits import enforcement
from weconnect.db import table
from weconnect.organizations.rows import OrganizationRow, UsageRow


def caller_of(person: RegisteredUser) -> Caller:
    return Caller(UUID(person.user["id"]), UUID(person.organization["id"]), "owner", frozenset({"*"}))


def count(person: RegisteredUser) -> enforcement.CountedExecution:
    """Read the limits and count, as the start of an execution does."""
    caller = caller_of(person)
    return enforcement.count_execution(caller, table.get_many(enforcement.keys_to_read(caller)))


def set_limit(person: RegisteredUser, kind: str, **body: Any) -> dict[str, Any]:
    response = person.client.put(f"/v1/execution-limits/{person.user['id']}/{kind}", body)
    assert response.status == 200, response.text
    return response.json  # type: ignore[no-any-return]


def current_counts(person: RegisteredUser) -> dict[str, int]:
    items = person.client.get("/v1/execution-limits").json["items"]
    return {item["limitType"]: item["currentExecutions"] for item in items}


def used_in_month(person: RegisteredUser, month: str = "2026-11") -> int:
    row = table.get(UsageRow, UsageRow.at(person.organization["id"], month))
    return int(row.executions) if row else 0


def change_organization(person: RegisteredUser, **values: Any) -> None:
    row = OrganizationRow.get(*OrganizationRow.at(person.organization["id"]))
    table.change(row, values, {})
