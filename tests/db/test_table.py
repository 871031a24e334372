"""Rows, keys and the ways to write, on moto; races stand in tests/integration."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weconnect import clock, ids
from weconnect.api import pagination
from weconnect.base_entity import TenantEntity
from weconnect.db import table
from weconnect.db.table import Row, key
from weconnect.errors import BadRequest, Conflict, NotFound, Stale

ACTOR = {"userId": "u", "requestId": "r"}


class Thing(TenantEntity):
    name: str
    cost: float | None = None
    is_active: bool = True
    configuration: dict[str, object] = {}
    count: int = 0


class ThingRow(Row, discriminator="THING"):
    entity = Thing

    @staticmethod
    def at(organization: object, thing: object) -> tuple[str, str]:
        return key("ORG", organization), key("THING", thing)


def make(organization: object = "o", **more: object) -> ThingRow:
    moment = clock.now()
    values = {"name": "a", **more}
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


def stored(**more: object) -> ThingRow:
    return table.create(make(**more), ACTOR)


@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_no_content_forges_a_key(one: list[str], other: list[str]) -> None:
    assert (key(*one) == key(*other)) == (one == other)
    assert len(key(*one).encode()) <= 200 * len(one) + len(one)


def test_a_row_is_its_entity_and_back(aws: None) -> None:
    row = stored(cost=1.25, configuration={"a": [1, {"b": None}]}, is_active=False)
    read = table.need(ThingRow, (row.pk, row.sk), "thing")
    assert read.to_entity() == row.to_entity()
    assert read.to_entity().configuration == {"a": [1, {"b": None}]}
    assert read.actor == ACTOR


def test_create_refuses_what_exists(aws: None) -> None:
    row = stored()
    with pytest.raises(Conflict):
        table.create(ThingRow.of(row.to_entity(), pk=row.pk, sk=row.sk), ACTOR)


def test_change_makes_a_version_and_loses_to_the_faster(aws: None) -> None:
    row = stored()
    slow = table.need(ThingRow, (row.pk, row.sk), "thing")
    changed = table.change(row, {"name": "b"}, ACTOR, if_match=1)
    assert (changed.version, changed.name) == (2, "b")
    with pytest.raises(Conflict):
        table.change(slow, {"name": "c"}, ACTOR)
    with pytest.raises(Stale):
        table.change(changed, {"name": "c"}, ACTOR, if_match=1)


def test_touch_makes_no_version_and_no_ghost(aws: None) -> None:
    row = stored()
    before = row.updated_at
    assert table.touch(row, add={"count": 2}, put={"cost": 0.5})
    assert (row.count, row.version, row.updated_at) == (2, 1, before)
    gone = make()
    assert not table.touch(gone, add={"count": 1})
    assert table.get(ThingRow, (gone.pk, gone.sk)) is None


def test_a_transaction_happens_whole_or_not_at_all(aws: None) -> None:
    first, second = stored(), make()
    with pytest.raises(Conflict, match="taken"), table.transaction(ACTOR) as writes:
        writes.create(second)
        writes.create(ThingRow.of(first.to_entity(), pk=first.pk, sk=first.sk), Conflict("taken"))
    assert table.get(ThingRow, (second.pk, second.sk)) is None


def test_trash_and_back(aws: None) -> None:
    row = stored(configuration={"k": 1})
    with table.transaction(ACTOR) as writes:
        gone = table.trash(writes, row, (row.pk, key("TRASH", "THING", row.id)))
    with pytest.raises(NotFound):
        table.need(ThingRow, (row.pk, row.sk), "thing")
    gone = table.need(ThingRow, (gone.pk, gone.sk), "thing")
    assert gone.to_entity().deleted_at is not None and gone.gsi1pk is None and gone.ttl > clock.epoch()
    with table.transaction(ACTOR) as writes:
        table.untrash(writes, gone, (row.pk, row.sk), gsi1pk=row.gsi1pk, gsi1sk=row.gsi1sk)
    back = table.need(ThingRow, (row.pk, row.sk), "thing").to_entity()
    assert back.deleted_at is None and back.version == 3 and back.configuration == {"k": 1}
    assert back.created_at == row.to_entity().created_at


def test_expired_rows_are_not_read(aws: None) -> None:
    row = make()
    row.ttl = clock.epoch() - 1
    table.create(row, ACTOR)
    assert table.get(ThingRow, (row.pk, row.sk)) is None
    assert table.get_many([(row.pk, row.sk)]) == {}


@pytest.mark.parametrize("index", [None, "gsi1"])
def test_pages_give_everything_once_newest_first(aws: None, index: str | None) -> None:
    made = [stored(count=number).id for number in range(7)]
    stored(organization="other")
    pk, prefix = (key("ORG", "o", "THINGS"), "") if index else (key("ORG", "o"), "THING#")
    seen: list[str] = []
    cursor = None
    for _ in range(4):
        rows, cursor = pagination.query_page(ThingRow, pk, prefix, index=index, limit=3, cursor=cursor)
        seen += [row.id for row in rows]
        if cursor is None:
            break
    assert seen == made[::-1]


def test_filtered_pages_and_foreign_cursors(aws: None) -> None:
    for number in range(10):
        stored(count=number)

    def odd(row: ThingRow) -> bool:
        return bool(row.count % 2)

    def page(cursor: str | None, filters: list[object]) -> tuple[list[ThingRow], str | None]:
        return pagination.query_page(
            ThingRow, key("ORG", "o"), "THING#", limit=3, cursor=cursor, keep=odd, filters=filters
        )

    rows, cursor = page(None, ["odd"])
    assert [row.count for row in rows] == [9, 7, 5] and cursor
    assert [row.count for row in page(cursor, ["odd"])[0]] == [3, 1]
    for bad in (cursor[:-2] + "AA", "x", "é", cursor):
        with pytest.raises(BadRequest):
            page(bad, ["even"])
