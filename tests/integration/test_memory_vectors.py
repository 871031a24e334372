"""The table's vector index for real: who is found in it, who is not, and a table that gets it later."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from infra import cloudformation
from infra.local import resources
from infra.local.options import REGION
from tests.agents import letters
from tests.agents.memories import Owner
from tests.integration.racing import together
from weconnect import clock
from weconnect.agents.memory import lexicon, search, vector_index
from weconnect.agents.memory.entities import MemoryHits, MemorySearch


@pytest.fixture
def owner(aws: None) -> Owner:
    return Owner()


@pytest.fixture
def embedder() -> Iterator[pytest.MonkeyPatch]:
    vector_index.client.cache_clear()
    with letters.chosen() as patch:
        yield patch
    vector_index.client().close()
    vector_index.client.cache_clear()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents that search does not read whole, although they have little."""
    for name, number in {"ALL": 6, "NEWEST": 2, "PAGE": 2, "FOLD_AT": 2, "FOLDED": 2}.items():
        monkeypatch.setattr(lexicon, name, number)


def found(owner: Owner, query: str, **more: Any) -> MemoryHits:
    return search.find(*owner.ids, MemorySearch(query=query, limit=100, **more))


def test_the_index_finds_what_the_lexicon_was_not_read_for(
    owner: Owner, small: None, embedder: pytest.MonkeyPatch
) -> None:
    other = Owner(organization_id=owner.organization_id)
    for someone in (owner, other):
        someone.write("silent", key="old")
        for number in range(12):
            someone.write(f"{number * 1111} " * 3, memory_type="episodic")
    assert not lexicon.read(*owner.ids).complete
    nearest = vector_index.nearest(*owner.ids, "letters", letters.embed(["listen"])[0])
    assert nearest and len(nearest) == 13, "all of this agent, and none of the other"
    assert max(nearest.values()) == pytest.approx(1, abs=1e-5)
    (hit,) = [hit for hit in found(owner, "listen").items if hit.memory.content == "silent"]
    assert hit.reasons[0] == "likeness 1.00 by letters (number 1)"
    then = clock.now()
    owner.write("moved", key="old")
    for number in range(4):
        owner.write(f"{number * 3333} " * 3, memory_type="episodic")
    assert "silent" not in [hit.memory.content for hit in found(owner, "listen").items]
    past = [hit.memory.content for hit in found(owner, "listen", as_of=then).items]
    assert past[0] == "silent", "what was superseded is still found in the past"


def test_a_table_without_the_index_gets_it(aws: None, ministack: str) -> None:
    client = boto3.client("dynamodb", region_name=REGION, endpoint_url=ministack)
    client.create_table(**cloudformation.table_definition("weconnect-before"))
    properties = cloudformation.load(cloudformation.ROOT / "infra" / "data.yaml")
    properties = properties["Resources"]["Table"]["Properties"] | {"TableName": "weconnect-before"}
    template: Any = SimpleNamespace(scope=SimpleNamespace(refs={}, attributes={}))
    for _ in range(2):
        resources._create_table(template, lambda _: client, "Table", properties)  # type: ignore[arg-type]
        table = client.describe_table(TableName="weconnect-before")["Table"]
        assert [index["IndexName"] for index in table["VectorIndexes"]] == [vector_index.INDEX]
    client.close()


def test_of_many_who_write_a_key_at_once_one_holds_it(owner: Owner) -> None:
    """The others lose with 409 or are superseded: never do two hold."""
    together(8, lambda number: owner.write(f"The office is in City{number}"))
    now = clock.now() + timedelta(seconds=1)
    hits = found(owner, "office", as_of=now).items
    assert len([hit for hit in hits if hit.memory.holds(now)]) == 1


def test_of_many_who_read_a_long_tail_none_loses_an_entry(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexicon, "FOLD_AT", 1_000)
    for number in range(70):
        owner.write(f"Note {number}", memory_type="episodic")
    monkeypatch.setattr(lexicon, "FOLD_AT", 64)
    sizes = [len(known.entries) for known in together(6, lambda _: lexicon.read(*owner.ids))]
    assert len(lexicon.read(*owner.ids).entries) == 70 and set(sizes) == {70}
