"""Search in an agent's memories: the best matches for a question, each with its reasons.

Candidates come from the lexicon: all memories of an agent that has at most 2,000. Of a larger agent they are the
newest, the 100 most similar by the table's vector index, and those that share a word with the question that is likely
to be rare. The results are then read from the memories themselves, so that nothing stale, expired or erased is shown.
"""

from collections.abc import Sequence
from uuid import UUID

from weconnect import clock
from weconnect.agents import service as agents
from weconnect.agents.memory import embedders, lexicon, ranking, storage, vector_index
from weconnect.agents.memory.entities import MemoryHit, MemoryHits, MemorySearch
from weconnect.agents.memory.ranking import RankedEntry, SearchEntry
from weconnect.agents.memory.rows import MemoryRow, MemoryTermRow
from weconnect.agents.memory.tokenizer import estimate_tokens, extract_terms, pick_rare
from weconnect.api.caller import Caller

SPARE_HITS = 20  # read beyond `limit`, because some may have been superseded meanwhile
MAX_ROWS_PER_READ = 100
INDEX_UNAVAILABLE = "The vector index is unavailable: older memories were found by rare words only"
MAX_RARE_TERMS, MAX_ROWS_PER_TERM = 4, 20


def search(caller: Caller, agent_id: UUID, request: MemorySearch) -> MemoryHits:
    """Return the memories that match, best first, each with its reasons. Raises AgentNotFound."""
    agents.require_agent(caller, agent_id)
    return search_agent(caller.organization_id, agent_id, request)


def search_agent(
    organization_id: UUID, agent_id: UUID, request: MemorySearch, *, excluded_types: Sequence[str] = ()
) -> MemoryHits:
    """Return what `search` returns, for an execution of the agent; no memories of `excluded_types`."""
    moment = request.as_of or clock.now()
    vectors, note = embedders.embed([request.query])
    vector = vectors[0] if vectors else None
    embedder = embedders.load_embedder()
    loaded = lexicon.load(organization_id, agent_id)
    entries = list(loaded.entries)
    similarities: dict[str, float] = {}
    rows: dict[str, MemoryRow] = {}
    if not loaded.is_complete:
        nearest = _find_nearest(organization_id, agent_id, request, vector)
        if nearest is None:
            note = note or INDEX_UNAVAILABLE
        rows = _load_older(organization_id, agent_id, request, nearest or {}, {entry.id for entry in entries})
        similarities = {row.id: nearest[sk] for sk, row in rows.items() if nearest and sk in nearest}
        entries += [storage.build_entry(row, storage.load_content(row), None) for row in rows.values()]

    def is_candidate(entry: SearchEntry) -> bool:
        """Return whether the entry has a requested type and session and is valid at the time of the search."""
        return (
            (request.memory_type is None or entry.memory_type == request.memory_type)
            and (request.session_id is None or entry.session_id == request.session_id)
            and entry.memory_type not in excluded_types
            and entry.is_valid_at(moment.timestamp())
        )

    entries = [entry for entry in entries if is_candidate(entry)]
    name = embedder.NAME if embedder and vector else embedders.NONE
    if vector and embedder:
        similarities |= ranking.compute_cosines(vector, entries, embedder.NAME, embedder.MIN_COSINE)
    ranked = ranking.rank(request.query, entries, similarities, clock.now().timestamp(), embedder=name)
    items, left_out = _load_hits(organization_id, agent_id, request, ranked, rows)
    return MemoryHits(items=items, embedder=name, left_out=left_out, note=note)


def _load_hits(
    organization_id: UUID,
    agent_id: UUID,
    request: MemorySearch,
    ranked: list[RankedEntry],
    rows: dict[str, MemoryRow],
) -> tuple[list[MemoryHit], int]:
    """Return the best valid memories that fit into `max_tokens`, and the number of those that did not fit.

    `rows` are those that were read already, by sort key.
    """
    moment = request.as_of or clock.now()
    best = ranked[: min(request.limit + SPARE_HITS, MAX_ROWS_PER_READ)]
    unread = [hit.entry.sk for hit in best if hit.entry.sk not in rows]
    rows = rows | storage.load_rows(organization_id, agent_id, unread)
    items: list[MemoryHit] = []
    left_out, budget = 0, request.max_tokens
    for hit in best:
        if len(items) + left_out == request.limit:
            break
        if hit.entry.sk not in rows:
            continue
        memory = storage.to_memory(rows[hit.entry.sk])
        if not memory.is_valid_at(moment):
            continue
        tokens = estimate_tokens(memory.content)
        if budget is not None and tokens > budget:
            left_out += 1
            continue
        budget = None if budget is None else budget - tokens
        items.append(MemoryHit(memory=memory, score=round(hit.score, 6), reasons=hit.reasons))
    return items, left_out


def _find_nearest(
    organization_id: UUID, agent_id: UUID, request: MemorySearch, vector: list[float] | None
) -> dict[str, float] | None:
    """Return the cosine by sort key of the vector index's results; None when the index is unavailable."""
    embedder = embedders.load_embedder()
    if not vector or not embedder:
        return {}
    nearest: dict[str, float] = {}
    for superseded in (False, True) if request.as_of else (False,):
        cosines = vector_index.find_nearest(
            organization_id, agent_id, embedder.NAME, vector, superseded=superseded
        )
        if cosines is None:
            return None
        nearest |= {sk: cosine for sk, cosine in cosines.items() if cosine >= embedder.MIN_COSINE}
    return nearest


def _load_older(
    organization_id: UUID,
    agent_id: UUID,
    request: MemorySearch,
    nearest: dict[str, float],
    loaded_ids: set[str],
) -> dict[str, MemoryRow]:
    """Return candidates beyond the loaded part of the lexicon, by sort key: the nearest, and those with rare words."""
    sks = sorted(nearest, key=lambda sk: -nearest[sk])[: vector_index.MAX_RESULTS]
    for term in pick_rare(set(extract_terms(request.query)), MAX_RARE_TERMS):
        pk, prefix = MemoryTermRow.of_term(organization_id, agent_id, term)
        term_rows = MemoryTermRow.query(
            pk,
            MemoryTermRow.sk.startswith(prefix),
            consistent_read=True,
            scan_index_forward=False,
            limit=MAX_ROWS_PER_TERM,
        )
        sks += [row.memory_sk for row in term_rows]
    sks = [sk for sk in dict.fromkeys(sks) if sk.rpartition("#")[2] not in loaded_ids]
    rows: dict[str, MemoryRow] = {}
    for start in range(0, len(sks), MAX_ROWS_PER_READ):
        rows |= storage.load_rows(organization_id, agent_id, sks[start : start + MAX_ROWS_PER_READ])
    return rows
