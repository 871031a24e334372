"""Search in memories: words and similarity, reasons, token budget, and the rows that it reads."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from botocore.endpoint import Endpoint
from hypothesis import given
from hypothesis import strategies as st

from tests.agents import letter_embedder
from tests.agents.memory_owner import Owner
from tests.factories import register
from weconnect import clock, ids
from weconnect.agents.memory import lexicon, ranking, search, service, vector_index
from weconnect.agents.memory.entities import MemoryHits, MemorySearch
from weconnect.agents.memory.ranking import SearchEntry
from weconnect.agents.memory.rows import LexiconRow, VectorRow
from weconnect.agents.memory.tokenizer import extract_terms
from weconnect.db import table
from weconnect.errors import Conflict


@pytest.fixture
def owner(aws: None) -> Owner:
    return Owner()


@pytest.fixture
def embedder() -> Iterator[pytest.MonkeyPatch]:
    with letter_embedder.use_embedder() as patch:
        yield patch


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a test reaches: pages of 5 entries, of which up to 15 are loaded completely."""
    limits = {
        "MAX_LOADED": 15,
        "NEWEST_LOADED": 6,
        "PAGE_ENTRIES": 5,
        "FOLD_AT_ROWS": 4,
        "MAX_FOLDED_ROWS": 4,
    }
    for name, number in limits.items():
        monkeypatch.setattr(lexicon, name, number)


def search_for(owner: Owner, query: str, **more: object) -> MemoryHits:
    return search.search_agent(
        *owner.ids, MemorySearch.model_validate({"query": query, **more}, by_name=True)
    )


def texts(hits: MemoryHits) -> list[str]:
    return [hit.memory.content for hit in hits.items]


def test_words_and_similarity_are_combined(owner: Owner, embedder: pytest.MonkeyPatch) -> None:
    owner.write("silent")
    owner.write("listen carefully to music")
    owner.write("zzz")
    hits = search_for(owner, "listen")
    assert texts(hits) == ["listen carefully to music", "silent"], (
        "an anagram is similar without a shared word"
    )
    assert hits.embedder == "letters" and hits.note is None
    assert hits.items[0].reasons[0] == "shares listen (number 1 by words)"
    assert hits.items[1].reasons[0] == "similarity 1.00 by letters (number 1)"


def test_without_an_embedder_search_uses_words(owner: Owner) -> None:
    owner.write("silent")
    owner.write("listen carefully")
    hits = search_for(owner, "listen")
    assert (texts(hits), hits.embedder) == (["listen carefully"], "none")


def test_a_failing_embedder_makes_no_write_or_search_fail(owner: Owner, embedder: pytest.MonkeyPatch) -> None:
    owner.write("listen to music")
    embedder.setattr(letter_embedder, "failing", True)
    assert owner.write("listen to birds").decision == "added"
    service.add_turn(*owner.ids, owner.user_id, "s", ids.new_id(), question="listen to me", reply="yes")
    hits = search_for(owner, "listen")
    assert len(hits.items) == 3 and hits.embedder == "none"
    assert hits.note == "The embedder letters failed: only words were compared"
    embedder.setattr(letter_embedder, "failing", False)
    assert {"listen to birds", "listen to music"} <= set(texts(search_for(owner, "listen")))


def test_recency_and_importance_decide_among_equal_matches(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = clock.now()
    owner.write("The printer is old", key="1")
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=200))
    owner.write("The printer is loud", key="2")
    assert texts(search_for(owner, "printer"))[0] == "The printer is loud"
    owner.write("The printer is blue", key="3", importance=0.9)
    best = search_for(owner, "printer").items[0]
    assert best.memory.content == "The printer is blue"
    assert best.reasons[1:] == ["importance 0.9", "recent"]


def test_the_token_budget_limits_the_hits(owner: Owner) -> None:
    for number in range(4):
        owner.write(f"The printer number {number} " + "prints " * 10 * number, key=str(number))
    hits = search_for(owner, "printer number", max_tokens=30)
    assert sum(-(-len(text) // 4) for text in texts(hits)) <= 30
    assert len(hits.items) + hits.left_out == 4 and hits.left_out


def test_filters_limit_the_hits(owner: Owner) -> None:
    owner.write("The office is in Lisbon", memory_type="episodic", session_id="s")
    owner.write("The office is in Lisbon", memory_type="procedural", session_id="t")
    assert [hit.memory.memory_type for hit in search_for(owner, "office", memory_type="episodic").items] == [
        "episodic"
    ]
    assert [hit.memory.session_id for hit in search_for(owner, "office", session_id="t").items] == ["t"]
    assert len(search_for(owner, "office", limit=1).items) == 1


def test_memories_of_another_tenant_or_agent_are_not_found(
    owner: Owner, embedder: pytest.MonkeyPatch
) -> None:
    owner.write("The office is in Lisbon")
    others = [Owner(agent_id=owner.agent_id), Owner(organization_id=owner.organization_id), Owner()]
    assert [texts(search_for(other, "office")) for other in others] == [[], [], []]
    scopes = {VectorRow.scope(*other.ids, "letters") for other in [owner, *others]}
    assert len(scopes) == 4


# The lexicon


def rows(owner: Owner) -> list[LexiconRow]:
    pk, prefix = LexiconRow.of_agent(*owner.ids)
    return list(LexiconRow.query(pk, LexiconRow.sk.startswith(prefix), consistent_read=True))


def test_a_long_tail_is_folded_into_pages(owner: Owner, small: None, embedder: pytest.MonkeyPatch) -> None:
    for number in range(14):
        owner.write(f"Note {number} of paper{number}", memory_type="episodic")
    pages = [row for row in rows(owner) if row.number]
    assert [(int(page.number), int(page.before)) for page in pages] == [(1, 0), (2, 5), (3, 10)]
    assert len(rows(owner)) - len(pages) < lexicon.FOLD_AT_ROWS
    loaded = lexicon.load(*owner.ids)
    assert (len(loaded.entries), loaded.size, loaded.is_complete) == (14, 14, True)
    assert all(len(entry.vector) == 256 for entry in loaded.entries)
    assert texts(search_for(owner, "paper3"))[0] == "Note 3 of paper3"


def test_in_a_large_agent_the_newest_the_most_similar_and_rare_words_are_candidates(
    owner: Owner, small: None, embedder: pytest.MonkeyPatch
) -> None:
    owner.write("zebra zebra", memory_type="episodic")
    owner.write("The invoice 4711 was late", memory_type="episodic")
    for number in range(24):
        owner.write(f"Note {number}", memory_type="episodic")
    loaded = lexicon.load(*owner.ids)
    assert not loaded.is_complete and len(loaded.entries) < 15 and loaded.size == 26
    assert "The invoice 4711 was late" in texts(search_for(owner, "invoice 4711", limit=3)), (
        "it is found by its rare words"
    )
    assert texts(search_for(owner, "Note 23", limit=1)) == ["Note 23"], (
        "a memory that was just written is found"
    )
    without = search_for(owner, "abzer", limit=100)
    assert "zebra zebra" not in texts(without) and without.note == search.INDEX_UNAVAILABLE
    first = next(iter(VectorRow.query(*VectorRow.at(*owner.ids, UUID(int=0))[:1]))).memory_sk
    embedder.setattr(vector_index, "find_nearest", lambda *_, **__: {first: 0.9})
    hits = search_for(owner, "abzer", limit=100)
    (hit,) = [hit for hit in hits.items if hit.memory.content == "zebra zebra"]
    assert hit.reasons[0].startswith("similarity 0.90")


def test_concurrent_folds_keep_every_entry_once(
    owner: Owner, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexicon, "FOLD_AT_ROWS", 99)
    for number in range(4):
        owner.write(f"Note {number}", memory_type="episodic")
    monkeypatch.setattr(lexicon, "FOLD_AT_ROWS", 4)
    commit = table.Transaction.commit

    def fold_in_between(self: table.Transaction) -> None:
        monkeypatch.setattr(table.Transaction, "commit", commit)
        lexicon.fold_tail(*owner.ids)
        with pytest.raises(Conflict):
            commit(self)
        raise Conflict

    monkeypatch.setattr(table.Transaction, "commit", fold_in_between)
    lexicon.fold_tail(*owner.ids)
    assert [(int(row.number), int(row.held)) for row in rows(owner)] == [(1, 4)]


def test_corrected_superseded_and_deleted_memories_are_not_found_through_old_pages(
    aws: None, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = register()
    path = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
    made = [
        me.client.post(f"{path}/memories", {"content": f"Alpha{number}", "key": f"k{number}"}).json["memory"][
            "id"
        ]
        for number in range(8)
    ]

    def hits(query: str) -> list[str]:
        answer = me.client.post(f"{path}/memories/search", {"query": query}).json
        return [hit["memory"]["content"] for hit in answer["items"]]

    assert hits("alpha1") == ["Alpha1"]
    assert me.client.patch(f"{path}/memories/{made[1]}", {"content": "Beta1"}).status == 200
    assert (
        me.client.post(f"{path}/memories", {"content": "Gamma2", "key": "k2"}).json["decision"]
        == "supersedes"
    )
    assert me.client.delete(f"{path}/memories/{made[3]}").status == 204
    assert [hits(query) for query in ("alpha1", "beta1", "alpha2", "gamma2", "alpha3")] == [
        *([], ["Beta1"], [], ["Gamma2"], []),
    ]
    for row in LexiconRow.scan(LexiconRow.kind == LexiconRow):
        assert made[3] not in {entry.id for entry in lexicon._unpack(row)}, "the deleted memory left no entry"
    soon = clock.now() + timedelta(seconds=5)
    body = {"content": "Delta", "metadata": {"expires": clock.iso(soon)}}
    for number in range(8):
        me.client.post(f"{path}/memories", body | {"key": f"d{number}"})
    assert len(hits("delta")) == 8
    monkeypatch.setattr(clock, "now", lambda: soon)
    assert hits("delta") == []
    for row in LexiconRow.scan(LexiconRow.kind == LexiconRow):
        words = {term for entry in lexicon._unpack(row) for term in entry.terms}
        assert table.is_expired(row) or "delta" not in words, "an expired memory does not stay in a page"


def test_a_search_takes_the_same_calls_for_few_and_for_many_memories(
    owner: Owner, small: None, embedder: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[str] = Counter()
    send = Endpoint.make_request

    def counted(self: object, operation: object, request: object) -> object:
        seen[operation.name] += 1  # type: ignore[attr-defined]
        return send(self, operation, request)

    monkeypatch.setattr(Endpoint, "make_request", counted)
    call_counts = []
    for number in range(60):
        owner.write(f"Note {number}", memory_type="episodic")
        if number in (3, 13, 29, 59):
            lexicon.fold_tail(*owner.ids)
            seen.clear()
            search_for(owner, "a note about paper")
            call_counts.append(seen.total())
    assert call_counts[:2] == [2, 2], "one for the lexicon, one for the memories"
    assert call_counts[2] == call_counts[3] <= 2 + 1 + search.MAX_RARE_TERMS + 1, (
        "and calls for the vector index, the rare words and their memories"
    )


def entry(number: int, *, terms: dict[str, int], importance: float = 0) -> SearchEntry:
    return SearchEntry(f"{number:04}", "", "semantic", "", 0, None, None, importance, terms)


@given(
    st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 5), max_size=4), max_size=12),
    st.text("abcdef ", max_size=12),
)
def test_every_hit_shares_a_word_or_is_similar(terms_of_entries: list[dict[str, int]], query: str) -> None:
    entries = [entry(number, terms=terms) for number, terms in enumerate(terms_of_entries)]
    similarities = {"0001": 0.7}
    hits = ranking.rank(query, entries, similarities, 0, embedder="e")
    hit_ids = [hit.entry.id for hit in hits]
    query_terms = set(extract_terms(query))
    expected = {item.id for item in entries if item.terms.keys() & query_terms or item.id in similarities}
    assert len(hit_ids) == len(set(hit_ids)) and set(hit_ids) == expected
    assert all(hit.reasons for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@given(st.lists(st.floats(-1, 1, width=32), min_size=256, max_size=256))
def test_quantized_vectors_keep_their_direction(vector: list[float]) -> None:
    item = entry(0, terms={})
    item.embedder = "e"
    item.vector, item.norm = ranking.quantize(vector)
    length = sum(number * number for number in vector) ** 0.5
    cosine = ranking.compute_cosines(vector, [item], "e", -1)["0000"]
    assert length < 1e-3 or abs(cosine - 1) < 1e-6
    assert ranking.compute_cosines(vector, [item], "other", -1) == {}


def test_packed_entries_are_unpacked_unchanged() -> None:
    vectors = [("", 0.0, b""), ("e", 1.5, bytes(range(256))), ("", 0.0, b""), ("e", 1.0, bytes(256))]
    items = [
        SearchEntry(
            str(uuid4()), f"sk{number}", "semantic", "s#", 1.5, None, None, 0.1, {"é": 2}, name, norm, vector
        )
        for number, (name, norm, vector) in enumerate(vectors)
    ]
    row = LexiconRow("p", "s", **lexicon._pack(items))
    assert lexicon._unpack(row) == items
