"""The parts of an update: PynamoDB's actions and conditions."""

from collections.abc import Mapping
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from weconnect import clock
from weconnect.actor import Actor
from weconnect.db.row import Row


def build_absence_condition() -> Condition:
    """Return the condition that the row does not exist, or has expired and TTL has not removed it yet."""
    missing: Condition = Row.pk.does_not_exist() | (Row.ttl <= clock.epoch_seconds())
    return missing


def join_conditions(condition: Condition, other: Condition | None) -> Condition:
    """Return the condition that both hold; the first one alone when the other is None."""
    return condition if other is None else condition & other


def build_version_values(row: Row, actor: Actor) -> dict[str, Any]:
    """Return the fields that each new version changes: the version, the time and the actor."""
    return {"version": row.version + 1, "updated_at": clock.iso(clock.now()), "actor": actor}


def build_create_actions(row: Row) -> list[Action]:
    """Return the updates that give a row its kind and time of creation, when it is missing."""
    return [
        type(row).kind.set(type(row)),
        Row.created_at.set(Row.created_at | clock.iso(clock.now())),
    ]


def build_add_actions(kind: type[Row], numbers: Mapping[str, float]) -> list[Action]:
    """Return the updates that add to counters by field name; zeros are left out."""
    return [getattr(kind, name).add(number) for name, number in numbers.items() if number]


def build_set_actions(kind: type[Row], values: Mapping[str, Any]) -> list[Action]:
    """Return the updates that set fields by name; None removes a field."""
    return [
        getattr(kind, name).remove() if value is None else getattr(kind, name).set(value)
        for name, value in values.items()
    ]
