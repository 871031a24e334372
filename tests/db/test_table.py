"""Rows, keys and the ways to write, on moto; the races are in tests/integration."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynamodb.attributes import Attribute

from weconnect import clock, ids
from weconnect.actor import Actor
from weconnect.api import pagination
from weconnect.base_entity import TenantEntity
from weconnect.db import table
from weconnect.db.table import EntityRow, key, stored
from weconnect.errors import BadRequest, Conflict, NotFound, StaleVersion, VersionConflict

ACTOR: Actor = {"userId": "u", "requestId": "r"}


class Thing(TenantEntity):
    name: str
    cost: float | None = None
    is_active: bool = True
    configuration: dict[str, object] = {}
    size: int = 0


class ThingRow(EntityRow[Thing], discriminator="THING"):
    id: Attribute[str]
    name: Attribute[str]
    cost: Attribute[float | None]
    size: Attribute[int] = stored(default=0)

    @staticmethod
    def at(organization: object, thing: object) -> tuple[str, str]:
        return key("ORG", organization), key("THING", thing)


class TotalRow(table.Row, discriminator="TOTAL"):
    things: Attribute[int] = stored(default=0)
    bytes: Attribute[int] = stored(default=0)


def make(organization: object = "o", **fields: Any) -> ThingRow:
    moment = clock.now()
    values = {"name": "a", **fields}
    thing = Thing(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        organization_id=uuid4(),
        user_id=uuid4(),
        **values,
    )
    pk, sk = ThingRow.at(organization, thing.id)
    return ThingRow.of(thing, pk=pk, sk=sk, gsi1pk=key("ORG", organization, "THINGS"), gsi1sk=str(thing.id))


def create(**fields: Any) -> ThingRow:
    return table.create(make(**fields), ACTOR)


@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_no_content_forges_a_key(one: list[str], other: list[str]) -> None:
    assert (key(*one) == key(*other)) == (one == other)
    assert len(key(*one).encode()) <= 200 * len(one) + len(one)


def test_a_row_becomes_its_entity_and_back(aws: None) -> None:
    row = create(cost=1.25, configuration={"a": [1, {"b": None}]}, is_active=False)
    read = table.require(ThingRow, (row.pk, row.sk), NotFound)
    assert read.to_entity() == row.to_entity()
    assert read.to_entity().configuration == {"a": [1, {"b": None}]}
    assert read.actor == ACTOR


def test_a_missing_row_raises_its_own_error(aws: None) -> None:
    class ThingNotFound(NotFound):
        code, title = "thing_not_found", "Thing not found"

    with pytest.raises(ThingNotFound, match="Thing not found"):
        table.require(ThingRow, ThingRow.at("o", "none"), ThingNotFound)


def test_create_refuses_an_existing_row(aws: None) -> None:
    row = create()
    with pytest.raises(Conflict):
        table.create(ThingRow.of(row.to_entity(), pk=row.pk, sk=row.sk), ACTOR)


def test_change_makes_a_version_and_refuses_a_row_that_has_changed(aws: None) -> None:
    row = create()
    outdated = table.require(ThingRow, (row.pk, row.sk), NotFound)
    changed = table.change(row, {"name": "b"}, ACTOR, if_match=1)
    assert (changed.version, changed.name) == (2, "b")
    with pytest.raises(VersionConflict):
        table.change(outdated, {"name": "c"}, ACTOR)
    with pytest.raises(StaleVersion):
        table.change(changed, {"name": "c"}, ACTOR, if_match=1)


def test_touch_makes_no_version_and_no_row(aws: None) -> None:
    row = create()
    before = row.updated_at
    assert table.touch(row, add={"size": 2}, put={"cost": 0.5})
    assert (row.size, row.version, row.updated_at) == (2, 1, before)
    missing = make()
    assert not table.touch(missing, add={"size": 1})
    assert table.get(ThingRow, (missing.pk, missing.sk)) is None


def test_a_transaction_happens_whole_or_not_at_all(aws: None) -> None:
    first, second = create(), make()
    with pytest.raises(Conflict, match="exists"), table.transaction(ACTOR) as writes:
        writes.create(second)
        writes.create(ThingRow.of(first.to_entity(), pk=first.pk, sk=first.sk), Conflict("exists"))
    assert table.get(ThingRow, (second.pk, second.sk)) is None


def test_a_transaction_raises_the_problem_of_the_write_that_was_refused(aws: None) -> None:
    """One write of each kind, each refused in turn: DynamoDB gives its reasons in the order of their kinds."""
    problems = {
        name: Conflict(name) for name in ("check", "delete", "create", "change", "touch", "increment")
    }
    for refused, problem in problems.items():
        rows = {name: create() for name in problems}
        missing = make()
        with pytest.raises(Conflict) as raised, table.transaction(ACTOR) as writes:
            row = missing if refused == "touch" else rows["touch"]
            writes.touch(row, {"size": 1}, {}, problems["touch"])
            limit = 0 if refused == "increment" else 5
            writes.increment(rows["increment"], "size", 1, limit=limit + 1, if_refused=problems["increment"])
            if refused == "increment":
                table.touch(rows["increment"], add={"size": 1})
            if refused == "change":
                table.change(table.require(ThingRow, _at(rows["change"]), NotFound), {"name": "b"}, ACTOR)
            writes.change(rows["change"], {"name": "c"}, if_refused=problems["change"])
            row = rows["create"] if refused == "create" else make()
            writes.create(ThingRow.of(row.to_entity(), pk=row.pk, sk=row.sk), problems["create"])
            if refused == "delete":
                table.change(table.require(ThingRow, _at(rows["delete"]), NotFound), {"name": "b"}, ACTOR)
            writes.delete(rows["delete"], if_refused=problems["delete"])
            condition = ThingRow.pk.does_not_exist() if refused == "check" else ThingRow.pk.exists()
            writes.check(ThingRow, _at(rows["check"]), condition, problems["check"])
        assert raised.value is problem


def _at(row: ThingRow) -> tuple[str, str]:
    return row.pk, row.sk


def test_counters_are_created_and_stop_at_their_limit(aws: None) -> None:
    for _ in range(2):
        with table.transaction(ACTOR) as writes:
            writes.increment(TotalRow("ORG#o", "TOTAL"), "things", 1, limit=2)
    with pytest.raises(Conflict, match="full"), table.transaction(ACTOR) as writes:
        writes.increment(TotalRow("ORG#o", "TOTAL"), "things", 1, limit=2, if_refused=Conflict("full"))
    with table.transaction(ACTOR) as writes:
        writes.increment_all(TotalRow("ORG#o", "TOTAL"), {"bytes": 7, "things": -1}, {"ttl": None})
    row = table.require(TotalRow, ("ORG#o", "TOTAL"), NotFound)
    assert (row.things, row.bytes) == (1, 7) and row.created_at


def test_a_row_goes_to_the_trash_and_back(aws: None) -> None:
    row = create(configuration={"k": 1})
    with table.transaction(ACTOR) as writes:
        trashed = table.move_to_trash(writes, row, (row.pk, key("TRASH", "THING", row.id)))
    with pytest.raises(NotFound):
        table.require(ThingRow, _at(row), NotFound)
    trashed = table.require(ThingRow, _at(trashed), NotFound)
    assert trashed.to_entity().deleted_at is not None and trashed.gsi1pk is None
    assert trashed.ttl is not None and trashed.ttl > clock.epoch_seconds()
    with table.transaction(ACTOR) as writes:
        table.restore_from_trash(writes, trashed, _at(row), gsi1pk=row.gsi1pk, gsi1sk=row.gsi1sk)
    restored = table.require(ThingRow, _at(row), NotFound).to_entity()
    assert restored.deleted_at is None and restored.version == 3 and restored.configuration == {"k": 1}
    assert restored.created_at == row.to_entity().created_at


def test_expired_rows_are_not_read(aws: None) -> None:
    row = make()
    row.ttl = clock.epoch_seconds() - 1
    table.create(row, ACTOR)
    assert table.get(ThingRow, _at(row)) is None
    assert table.get_many([_at(row)]) == {}


@pytest.mark.parametrize("index", [None, "gsi1"])
def test_pages_return_every_row_once_newest_first(aws: None, index: str | None) -> None:
    created = [create(size=number).id for number in range(7)]
    create(organization="other")
    pk, prefix = (key("ORG", "o", "THINGS"), "") if index else (key("ORG", "o"), "THING#")
    seen: list[str] = []
    cursor = None
    for _ in range(4):
        rows, cursor = pagination.query_page(ThingRow, pk, prefix, index=index, limit=3, cursor=cursor)
        seen += [row.id for row in rows]
        if cursor is None:
            break
    assert seen == created[::-1]


def test_filtered_pages_refuse_foreign_cursors(aws: None) -> None:
    for number in range(10):
        create(size=number)

    def is_odd(row: ThingRow) -> bool:
        return bool(row.size % 2)

    def page(cursor: str | None, filters: list[Any]) -> tuple[list[ThingRow], str | None]:
        return pagination.query_page(
            ThingRow, key("ORG", "o"), "THING#", limit=3, cursor=cursor, keep=is_odd, filters=filters
        )

    rows, cursor = page(None, ["odd"])
    assert [row.size for row in rows] == [9, 7, 5] and cursor
    assert [row.size for row in page(cursor, ["odd"])[0]] == [3, 1]
    for bad in (cursor[:-2] + "AA", "x", "é", cursor):
        with pytest.raises(BadRequest):
            page(bad, ["even"])
