"""Find the memories that fit a question, best first, each with its reasons.

Candidates come out of the lexicon: all memories of an agent that has at most 2,000. Of one that has more they are the
newest, the 100 likest by the table's vector index, and those that share a word with the question that is likely to be
rare. What is answered is then read from the memories themselves, so that nothing stale, expired or erased is shown.
"""

from collections.abc import Sequence
from uuid import UUID

from weconnect import clock
from weconnect.agents import service as agents
from weconnect.agents.memory import embedders, lexicon, ranking, storage, vector_index
from weconnect.agents.memory.entities import MemoryHit, MemoryHits, MemorySearch
from weconnect.agents.memory.ranking import Entry, Ranked
from weconnect.agents.memory.rows import MemoryRow, MemoryTermRow
from weconnect.agents.memory.tokenizer import estimate_tokens, rare, words
from weconnect.api.caller import Caller

SPARE = 20  # hits that are read beyond those asked for, because some may have ended meanwhile
MOST_ROWS = 100  # that one call reads
NO_INDEX = "The vector index did not answer: older memories were found by rare words alone"
RARE_ASKED, OF_A_TERM = 4, 20


def search(caller: Caller, agent_id: UUID, request: MemorySearch) -> MemoryHits:
    """The memories that fit, best first, each with its reasons."""
    agents.need(caller, agent_id)
    return find(caller.organization_id, agent_id, request)


def find(
    organization_id: UUID, agent_id: UUID, request: MemorySearch, *, without: Sequence[str] = ()
) -> MemoryHits:
    """As `search`, for a run of the agent; `without` some types."""
    moment = request.as_of or clock.now()
    vector, note = _vector(request.query)
    embedder = embedders.chosen()
    known = lexicon.read(organization_id, agent_id)
    entries = list(known.entries)
    likeness: dict[str, float] = {}
    rows: dict[str, MemoryRow] = {}
    if not known.complete:
        likest = _likest(organization_id, agent_id, request, vector)
        if likest is None:
            note = note or NO_INDEX
        rows = _older(organization_id, agent_id, request, likest or {}, {entry.id for entry in entries})
        likeness = {row.id: likest[sk] for sk, row in rows.items() if likest and sk in likest}
        entries += [storage.entry(row, storage.text(row), None) for row in rows.values()]

    def wanted(entry: Entry) -> bool:
        return (
            (request.memory_type is None or entry.memory_type == request.memory_type)
            and (request.session_id is None or entry.session_id == request.session_id)
            and entry.memory_type not in without
            and entry.holds(moment.timestamp())
        )

    entries = [entry for entry in entries if wanted(entry)]
    name = embedder.NAME if embedder and vector else embedders.NONE
    if vector and embedder:
        likeness = likeness | ranking.cosines(vector, entries, embedder.NAME, embedder.FLOOR)
    ranked = ranking.rank(request.query, entries, likeness, clock.now().timestamp(), embedder=name)
    items, left_out = _hits(organization_id, agent_id, request, ranked, rows)
    return MemoryHits(items=items, embedder=name, left_out=left_out, note=note)


def _hits(
    organization_id: UUID,
    agent_id: UUID,
    request: MemorySearch,
    ranked: list[Ranked],
    rows: dict[str, MemoryRow],
) -> tuple[list[MemoryHit], int]:
    """The best that hold and fit into the budget, and how many found no room in it; `rows` were read already."""
    moment = request.as_of or clock.now()
    best = ranked[: min(request.limit + SPARE, MOST_ROWS)]
    unread = [hit.entry.sk for hit in best if hit.entry.sk not in rows]
    rows = rows | storage.rows(organization_id, agent_id, unread)
    items: list[MemoryHit] = []
    left_out, room = 0, request.max_tokens
    for hit in best:
        if len(items) + left_out == request.limit:
            break
        if hit.entry.sk not in rows:
            continue
        memory = storage.memory(rows[hit.entry.sk])
        if not memory.holds(moment):
            continue
        tokens = estimate_tokens(memory.content)
        if room is not None and tokens > room:
            left_out += 1
            continue
        room = None if room is None else room - tokens
        items.append(MemoryHit(memory=memory, score=round(hit.score, 6), reasons=hit.reasons))
    return items, left_out


def _vector(query: str) -> tuple[list[float] | None, str | None]:
    found, note = embedders.embed([query])
    return (found[0] if found else None), note


def _likest(
    organization_id: UUID, agent_id: UUID, request: MemorySearch, vector: list[float] | None
) -> dict[str, float] | None:
    """The likeness by sort key of what the vector index answers; None when it does not."""
    embedder = embedders.chosen()
    if not vector or not embedder:
        return {}
    found: dict[str, float] = {}
    for past in (False, True) if request.as_of else (False,):
        answer = vector_index.nearest(organization_id, agent_id, embedder.NAME, vector, past=past)
        if answer is None:
            return None
        found |= {sk: cosine for sk, cosine in answer.items() if cosine >= embedder.FLOOR}
    return found


def _older(
    organization_id: UUID,
    agent_id: UUID,
    request: MemorySearch,
    likest: dict[str, float],
    known: set[str],
) -> dict[str, MemoryRow]:
    """Candidates that the lexicon was not read far enough for, by sort key: the likest, and those of rare words."""
    sks = sorted(likest, key=lambda sk: -likest[sk])[: vector_index.TOP]
    for term in rare(set(words(request.query)), RARE_ASKED):
        pk, prefix = MemoryTermRow.of_term(organization_id, agent_id, term)
        terms = MemoryTermRow.query(
            pk,
            MemoryTermRow.sk.startswith(prefix),
            consistent_read=True,
            scan_index_forward=False,
            limit=OF_A_TERM,
        )
        sks += [row.memory_sk for row in terms]
    sks = [sk for sk in dict.fromkeys(sks) if sk.rpartition("#")[2] not in known]
    rows: dict[str, MemoryRow] = {}
    for start in range(0, len(sks), MOST_ROWS):
        rows |= storage.rows(organization_id, agent_id, sks[start : start + MOST_ROWS])
    return rows
