"""Gates: how many runs of a workflow's key, or of an organization, are open at once.

A gate is one row that names the runs which have a place. To take a place is one conditional update of it, so however
many runs ask at once, never more are let in than may be; asking again for the same run takes nothing. A place comes
free only when the run's own row says that it has ended, or was not stored a minute after it took the place: nothing
is leased, so no place is lost while its run goes on, and none is kept for a run that is gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from weconnect import clock, fault_injection
from weconnect.db import counters, table
from weconnect.executions.entities import OPEN
from weconnect.executions.rows import ExecutionRow, GateRow, QueueRow

ATTEMPTS = 5
LEAVE_AT_ONCE = 50  # an expression has at most 4 KB, and a name 42 bytes of it
STORED_WITHIN_SECONDS = 60  # a start takes less than 30
KEEP_SECONDS = 400 * 86_400  # longer than any run
BATCH = 100


@dataclass(frozen=True)
class Gate:
    """What bounds the runs of a workflow with one key, or all runs of an organization."""

    organization_id: UUID
    workflow_id: UUID | None = None
    run_key: str = ""

    @property
    def kind(self) -> Literal["workflow", "organization"]:
        return "workflow" if self.workflow_id else "organization"

    @property
    def at(self) -> tuple[str, str]:
        if self.workflow_id:
            return GateRow.of_workflow(self.organization_id, self.workflow_id, self.run_key)
        return GateRow.of_organization(self.organization_id)

    @property
    def queue(self) -> tuple[str, str]:
        """The partition and the prefix of the runs that wait; their ids follow."""
        if self.workflow_id:
            return QueueRow.of_workflow(self.organization_id, self.workflow_id, self.run_key)
        return QueueRow.of_organization(self.organization_id)

    def place_of(self, run_id: object) -> tuple[str, str]:
        """The key of a run that waits."""
        pk, prefix = self.queue
        return pk, f"{prefix}{run_id}"


def enter(gate: Gate, run_id: UUID, limit: int, *, its_turn: bool = False) -> bool:
    """Take a place of the `limit` there are (-1: any number). False when there is none, or, unless it is this run's
    turn, when others have waited longer.
    """
    if limit < 0:
        return True
    mine = _name(run_id)
    values: dict[str, counters.Value] = {":now": clock.epoch(), ":limit": limit, ":ttl": _ttl()}
    free = "attribute_exists(holders) AND size(holders) < :limit"
    if not its_turn:
        free += " AND attribute_not_exists(waitedAt)"
    taking = counters.update(
        gate.at,
        f"SET holders.{mine} = :now, #ttl = :ttl",
        values,
        f"attribute_exists(holders.{mine}) OR ({free})",
    )
    taking |= {"ExpressionAttributeNames": _TTL, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    for _ in range(ATTEMPTS):
        fault_injection.point(f"before:enter:{gate.kind}")
        try:
            counters.send(taking, attempts=3)
        except counters.Refused as refused:
            found = refused.item
        else:
            fault_injection.point(f"after:enter:{gate.kind}")
            return True
        if "holders" not in found:
            _make(gate)
        elif ("waitedAt" in found and not its_turn) or not free_places(gate, holders(found)):
            return False
    return False


def leave(gate: Gate, run_ids: Iterable[UUID]) -> dict[str, Any]:
    """Give places back, which may have been given back before; the gate's item as it is then."""
    names, found = [f"holders.{_name(run_id)}" for run_id in run_ids], dict[str, Any]()
    for start in range(0, len(names), LEAVE_AT_ONCE):
        removed = ", ".join(names[start : start + LEAVE_AT_ONCE])
        request = counters.update(gate.at, f"REMOVE {removed}", {}, "attribute_exists(holders)")
        try:
            answer = counters.send(request | {"ReturnValues": "ALL_NEW"}, attempts=3)
        except counters.Refused:
            return {}
        found = answer["Attributes"]
    fault_injection.point(f"after:leave:{gate.kind}")
    return found


def wait(gate: Gate) -> None:
    """Note that a run is about to wait: until nobody does, new ones do not overtake, and the sweeper looks after it."""
    values: dict[str, counters.Value] = {
        ":kind": GateRow.kind_name(),
        ":now": clock.epoch(),
        ":ttl": _ttl(),
        ":waited": GateRow.waited(),
        ":since": clock.iso(clock.now()),
        ":organization": str(gate.organization_id),
        ":workflow": str(gate.workflow_id or ""),
        ":key": gate.run_key,
    }
    expression = (
        "SET kind = :kind, waitedAt = :now, #ttl = :ttl, gsi2pk = :waited, gsi2sk = :since,"
        " organizationId = :organization, workflowId = :workflow, runKey = :key"
    )
    request = counters.update(gate.at, expression, values)
    counters.send(request | {"ExpressionAttributeNames": _TTL}, attempts=3)
    fault_injection.point(f"after:wait:{gate.kind}")


def stop_waiting(gate: Gate, item: dict[str, Any]) -> None:
    """Note that nobody waits, as the empty queue of an `item` read before it told; not while a start that has just
    noted the opposite may still be putting its run there.
    """
    since = counters.number(item, "waitedAt")
    if since > clock.epoch() - STORED_WITHIN_SECONDS:
        return
    request = counters.update(
        gate.at, "REMOVE waitedAt, gsi2pk, gsi2sk", {":since": since}, "waitedAt = :since"
    )
    try:
        counters.send(request, attempts=3)
    except counters.Refused:
        return


def holders(item: dict[str, Any]) -> dict[UUID, int]:
    """The runs that have a place, and when they took it."""
    found = item.get("holders", {}).get("M", {})
    return {UUID(name[1:]): int(taken["N"]) for name, taken in found.items()}


def runs(gate: Gate, run_ids: Iterable[UUID]) -> dict[UUID, ExecutionRow]:
    """The rows of runs, of those that are stored."""
    keys = [ExecutionRow.at(gate.organization_id, run_id) for run_id in run_ids]
    found = [
        row
        for start in range(0, len(keys), BATCH)
        for row in table.get_many(keys[start : start + BATCH]).values()
    ]
    return {UUID(row.id): row for row in found if isinstance(row, ExecutionRow)}


def free_places(gate: Gate, held: dict[UUID, int], rows: dict[UUID, ExecutionRow] | None = None) -> bool:
    """Give back the places of runs that have ended, or were never stored; whether there were any."""
    rows = runs(gate, held) if rows is None else rows
    if ended := [run_id for run_id, row in rows.items() if row.status not in OPEN]:
        leave(gate, ended)
    unstored = [
        _forget(gate, run_id, taken)
        for run_id, taken in held.items()
        if run_id not in rows and taken < clock.epoch() - STORED_WITHIN_SECONDS
    ]
    return bool(ended) or any(unstored)


def _forget(gate: Gate, run_id: UUID, taken: int) -> bool:
    """Give back the place of a run that was not stored, unless the start that took it is being tried again."""
    place = f"holders.{_name(run_id)}"
    try:
        counters.send(
            counters.update(gate.at, f"REMOVE {place}", {":taken": taken}, f"{place} = :taken"), attempts=3
        )
    except counters.Refused:
        return False
    return True


_TTL = {"#ttl": "ttl"}


def _make(gate: Gate) -> None:
    values: dict[str, counters.Value] = {":none": {}, ":kind": GateRow.kind_name()}
    request = counters.update(
        gate.at, "SET holders = :none, kind = :kind", values, "attribute_not_exists(holders)"
    )
    try:
        counters.send(request, attempts=3)
    except counters.Refused:
        return  # somebody else made it


def _name(run_id: UUID) -> str:
    """An attribute's name may not begin with a digit."""
    return f"r{run_id.hex}"


def _ttl() -> int:
    return clock.epoch() + KEEP_SECONDS
