"""The table's vector index on the emulator: its results, their bounds, and adding it to an existing table."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from infra import cloudformation
from infra.local import provisioning
from infra.local.settings import REGION
from tests.agents import letter_embedder
from tests.agents.memory_owner import Owner
from tests.integration.racing import run_concurrently
from weconnect import clock
from weconnect.agents.memory import lexicon, search, vector_index
from weconnect.agents.memory.entities import MemoryHits, MemorySearch


@pytest.fixture
def owner(aws: None) -> Owner:
    return Owner()


@pytest.fixture
def embedder() -> Iterator[pytest.MonkeyPatch]:
    vector_index.client.cache_clear()
    with letter_embedder.use_embedder() as patch:
        yield patch
    vector_index.client().close()
    vector_index.client.cache_clear()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make search read only a part of an agent's memories, although there are few."""
    sizes = {"MAX_LOADED": 6, "NEWEST_LOADED": 2, "PAGE_ENTRIES": 2, "FOLD_AT_ROWS": 2, "MAX_FOLDED_ROWS": 2}
    for name, number in sizes.items():
        monkeypatch.setattr(lexicon, name, number)


def search_memories(owner: Owner, query: str, **more: Any) -> MemoryHits:
    return search.search_agent(*owner.ids, MemorySearch(query=query, limit=100, **more))


def test_the_index_finds_memories_that_the_lexicon_was_not_read_for(
    owner: Owner, small: None, embedder: pytest.MonkeyPatch
) -> None:
    other = Owner(organization_id=owner.organization_id)
    for someone in (owner, other):
        someone.write("silent", key="old")
        for number in range(12):
            someone.write(f"{number * 1111} " * 3, memory_type="episodic")
    assert not lexicon.load(*owner.ids).is_complete
    nearest = vector_index.find_nearest(*owner.ids, "letters", letter_embedder.embed(["listen"])[0])
    assert nearest and len(nearest) == 13, "all of this agent, and none of the other"
    assert max(nearest.values()) == pytest.approx(1, abs=1e-5)
    (hit,) = [hit for hit in search_memories(owner, "listen").items if hit.memory.content == "silent"]
    assert hit.reasons[0] == "similarity 1.00 by letters (number 1)"
    then = clock.now()
    owner.write("moved", key="old")
    for number in range(4):
        owner.write(f"{number * 3333} " * 3, memory_type="episodic")
    assert "silent" not in [hit.memory.content for hit in search_memories(owner, "listen").items]
    past = [hit.memory.content for hit in search_memories(owner, "listen", as_of=then).items]
    assert past[0] == "silent", "a superseded memory is still found in the past"


def test_the_index_is_added_to_an_existing_table(aws: None, ministack: str) -> None:
    client = boto3.client("dynamodb", region_name=REGION, endpoint_url=ministack)
    client.create_table(**cloudformation.read_table_definition("weconnect-before"))
    properties = cloudformation.read_template(cloudformation.ROOT / "infra" / "data.yaml")
    properties = properties["Resources"]["Table"]["Properties"] | {"TableName": "weconnect-before"}
    template: Any = SimpleNamespace(scope=SimpleNamespace(refs={}, attributes={}))
    for _ in range(2):
        provisioning._create_table(template, lambda _: client, "Table", properties)  # type: ignore[arg-type]
        table = client.describe_table(TableName="weconnect-before")["Table"]
        assert [index["IndexName"] for index in table["VectorIndexes"]] == [vector_index.INDEX_NAME]
    client.close()


def test_of_concurrent_writes_of_a_key_one_is_valid(owner: Owner) -> None:
    """The others get 409 or are superseded: two are never valid at once."""
    run_concurrently(8, lambda number: owner.write(f"The office is in City{number}"))
    now = clock.now() + timedelta(seconds=1)
    hits = search_memories(owner, "office", as_of=now).items
    assert len([hit for hit in hits if hit.memory.is_valid_at(now)]) == 1


def test_concurrent_reads_of_a_long_tail_lose_no_entry(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon, "FOLD_AT_ROWS", 1_000)
    for number in range(70):
        owner.write(f"Note {number}", memory_type="episodic")
    monkeypatch.setattr(lexicon, "FOLD_AT_ROWS", 64)
    sizes = [len(loaded.entries) for loaded in run_concurrently(6, lambda _: lexicon.load(*owner.ids))]
    assert len(lexicon.load(*owner.ids).entries) == 70 and set(sizes) == {70}
