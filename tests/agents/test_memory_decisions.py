"""Decisions about new memories: added, duplicate_of, supersedes, rejected; and reads of the past."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agents.memory_owner import Owner, memory_of
from tests.factories import RegisteredUser
from tests.soak import SOAK
from weconnect import clock
from weconnect.agents import purge
from weconnect.agents.memory import facts, rejections, search, writing
from weconnect.agents.memory.entities import MemorySearch, MemoryWriteResult
from weconnect.settings import settings as deployment

PAIRS: list[dict[str, str]] = json.loads(Path(__file__).with_name("memory_pairs.json").read_text())
RULE_SETS = ("tuned", "newcomer")
# The least number of correct decisions in each set, by embedder. No rule was written for the last two sets.
MIN_CORRECT = {
    ("tuned", "none"): 40,
    ("newcomer", "none"): 20,
    ("first held out", "none"): 33,
    ("first held out", "bundled"): 34,
    ("held out", "none"): 60,
    ("held out", "bundled"): 60,
}


@pytest.fixture
def owner(aws: None) -> Owner:
    return Owner()


@pytest.fixture
def path(me: RegisteredUser) -> str:
    location: str = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
    return location


class Moments:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)

    def later(self, seconds: float = 1) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> Moments:
    moments = Moments()
    monkeypatch.setattr(clock, "now", lambda: moments.now)
    return moments


# Pairs of statements


def decide(pair: dict[str, str]) -> str:
    owner = Owner()
    first = owner.write(pair["first"])
    assert first.decision == "added" and first.memory
    second = owner.write(pair["second"])
    if second.decision != "added":
        assert second.other_id == memory_of(first).id
    return second.decision


@pytest.mark.parametrize(
    "pair", [pair for pair in PAIRS if pair["set"] in RULE_SETS], ids=lambda pair: pair["second"]
)
def test_pairs_that_the_rules_were_written_for_are_decided_correctly(aws: None, pair: dict[str, str]) -> None:
    assert decide(pair) == pair["decision"]


@pytest.mark.parametrize(("of", "embedder"), [key for key in MIN_CORRECT if SOAK or key[1] == "none"])
def test_enough_pairs_of_each_set_are_decided_correctly(
    aws: None, of: str, embedder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = deployment.embedder
    object.__setattr__(deployment, "embedder", embedder)
    try:
        answers = [(pair, decide(pair)) for pair in PAIRS if pair["set"] == of]
    finally:
        object.__setattr__(deployment, "embedder", before)
    totals = Counter(pair["kind"] for pair, _ in answers)
    right = Counter(pair["kind"] for pair, answer in answers if answer == pair["decision"])
    lost = [pair for pair, answer in answers if answer == "supersedes" != pair["decision"]]
    with capsys.disabled():
        figures = ", ".join(f"{kind} {right[kind]}/{totals[kind]}" for kind in totals)
        print(
            f"\npairs {of!r}, embedder {embedder}: {right.total()}/{totals.total()} right ({figures}), lost {len(lost)}"
        )
    assert lost == [] and right.total() >= MIN_CORRECT[of, embedder]


# Values by kind, as a person would sort them; "none" is for texts that are not a value.
VALUES = {
    "e-mail address": ["a@x.com", "kim@corp.example"],
    "number of euros": ["20 euros", "1,500 euros"],
    "number of days": ["3 days", "twelve days"],
    "clock time": ["10:00", "9 am"],
    "weekday": ["Friday", "next Monday"],
    "date": ["June 1", "3 March 2027"],
    "postal address": ["12 Oak Street", "7 Mill Lane"],
    "name": ["Maria Lopez", "Lisbon", "Siemens"],
    "country": ["Spain", "Japan"],
    "language": ["English", "French"],
    "colour": ["blue", "green"],
    "operating system": ["Ubuntu", "Windows"],
    "department": ["Marketing", "Sales"],
    "none": [
        "down today",
        "on holiday",
        "tight",
        "in a mess",
        "from Spain",
        "hard to spell",
        "a small flat",
        "late",
    ],
}
STATEMENTS = [
    "My email is {}", "Our CEO is {}", "Ada lives in {}", "Ada moved to {}", "The deadline is {}", "My name is {}",
    "The server runs on {}", "Anna works at {}", "The price is {}", "Our office is in {}", "My favourite colour is {}",
    "The invoice is due {}", "I prefer {}", "Eve reports to {}", "The meeting has been moved to {}", "Use {}",
]  # fmt: skip
of_a_kind = st.sampled_from([(kind, value) for kind, values in VALUES.items() for value in values])


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(STATEMENTS), st.sampled_from(STATEMENTS), of_a_kind, of_a_kind)
def test_a_value_of_another_kind_supersedes_nothing(
    statement: str, other: str, one: tuple[str, str], two: tuple[str, str]
) -> None:
    for again in (statement, other):
        before, after = (
            facts.parse_statement(statement.format(one[1])),
            facts.parse_statement(again.format(two[1])),
        )
        if before and after and after.contradicts(before):
            assert one[0] == two[0] != "none"


def test_a_value_of_another_kind_leaves_the_first_valid(owner: Owner) -> None:
    first = owner.write("My email is a@x.com")
    beside = owner.write("My email is down today")
    assert beside.decision == "added" and "of another kind" in beside.reason
    changed = owner.write("My email is b@x.com")
    assert (changed.decision, changed.other_id) == ("supersedes", memory_of(first).id)


@pytest.mark.parametrize(
    ("statement", "one", "two"),
    [
        ("The version is {}", "2.1", "2"),
        ("The version is {}", "2.1", "1.2"),
        ("The lunch starts at {}", "10:00", "10:10"),
    ],
)
def test_a_number_does_not_imply_its_parts(statement: str, one: str, two: str) -> None:
    before, after = facts.parse_statement(statement.format(one)), facts.parse_statement(statement.format(two))
    assert before and after and after.contradicts(before) and not after.is_implied_by(before)


def test_the_callers_key_takes_precedence(owner: Owner) -> None:
    first = owner.write("The office is in Lisbon", key="a")
    other = owner.write("We ship on Fridays", key="a")
    assert (other.decision, other.other_id) == ("supersedes", memory_of(first).id)
    assert owner.write("we ship on fridays!", key="a").decision == "duplicate_of"
    assert owner.write("We ship on Fridays", key="b").decision == "added", "it has a key of its own"


def test_a_fact_supersedes_one_with_a_callers_key(owner: Owner) -> None:
    first = owner.write("The office is in Lisbon", key="where we are")
    moved = owner.write("The office is in Porto")
    assert (moved.decision, moved.other_id) == ("supersedes", memory_of(first).id)
    memory = memory_of(moved)
    assert memory.key == "where we are" and memory.subject == "office"


def test_only_semantic_memories_are_compared_with_similar_ones(owner: Owner) -> None:
    owner.write("The office is in Lisbon", memory_type="episodic")
    assert owner.write("The office is in Porto", memory_type="episodic").decision == "added"
    assert owner.write("The office is in Porto", memory_type="episodic").decision == "duplicate_of"
    assert owner.write("The office is in Porto").decision == "added"


def test_a_more_detailed_value_supersedes_a_shorter_one(owner: Owner) -> None:
    owner.write("The office is in Lisbon")
    assert owner.write("The office is in Lisbon, Portugal").decision == "supersedes"
    assert owner.write("The office is in Lisbon").decision == "duplicate_of"


def test_names_in_another_order_make_another_fact() -> None:
    assert not facts.have_same_words("Today Ana pays Ben", "Today Ben pays Ana")
    assert facts.have_same_words("Deploys happen on Friday", "on Friday, deploys happen!")
    assert not facts.have_same_details("The meeting is at 10", "The meeting is at 11")


@given(st.text(max_size=400))
def test_any_text_can_be_parsed(text: str) -> None:
    fact = facts.parse_statement(text)
    assert fact is None or (
        fact.key and fact.value and fact.is_implied_by(fact) and not fact.contradicts(fact)
    )
    assert rejections.mask_secrets(text) == text or rejections.find_rejection(text)


# Rejected texts

SECRETS = [
    "My key is sk-proj-abcdefghijklmnop1234",
    "AWS: AKIAIOSFODNN7EXAMPLE",
    "token ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "the password is hunter2",
    "My password for the wiki is swordfish",
    "password: correct-horse",
    "My card is 4111 1111 1111 1111",
    "I paid the order with 4111 1111 1111 1111",
    "my PIN is 4711",
    "The PIN for my card: 4711",
    "Pay to DE89 3704 0044 0532 0130 00",
    "My IBAN is GB82WEST12345698765432.",
    "postgres://admin:pw@db.example.com/app",
    "-----BEGIN RSA PRIVATE KEY-----",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "the client secret = 8sK2jd8Qz",
    "use Zx81kLmN2o3pQr4sTu5vWx6yZa7bCd8e as bearer",
]
NO_SECRETS = [
    "The password is stored in the vault",
    "The password policy is strict",
    "The order number is 4111111111111112",
    "The order number is 4111111111111111",
    "Tracking id: 4111 1111 1111 1111",
    "The IBAN was DE89 3704 0044 0532 0130 02",
    "The pin is 3 mm wide",
    "Call +49 30 1234 5678 90",
    "The door code is 4711",
    "The document is https://docs.example.com/d/1A2b3C4d5E6f7G8h9I0jK1l2M3n4O5p6Q7r8S9t0",
    "The run 01900000-0000-7000-8000-000000000001 failed",
    "A password reset is sent by mail",
]


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_never_stored(owner: Owner, text: str) -> None:
    written = owner.write(text)
    assert written.decision == "rejected" and "seems to contain" in written.reason and written.memory is None
    assert boto3.client("dynamodb").scan(TableName="weconnect")["Items"] == []
    assert "[secret]" in rejections.mask_secrets(text)


@pytest.mark.parametrize("text", NO_SECRETS)
def test_a_text_that_only_mentions_secrets_is_stored(text: str) -> None:
    assert rejections.find_rejection(text) is None and rejections.mask_secrets(text) == text


@pytest.mark.parametrize("text", ["…", "🙂", "it is what it is", "the"])
def test_a_text_without_content_is_rejected(owner: Owner, text: str) -> None:
    assert owner.write(text).reason == rejections.NO_CONTENT


def test_an_agent_has_a_limited_number_of_memories(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, moments: Moments
) -> None:
    monkeypatch.setattr(writing, "MAX_INSTRUCTIONS", 2)
    owner.write("Answer in French", memory_type="procedural", expires=moments.now + timedelta(seconds=10))
    owner.write("Be brief", memory_type="procedural", key="tone")
    full = owner.write("Never guess", memory_type="procedural")
    assert (full.decision, full.reason) == ("rejected", "The agent has reached the limit of 2 instructions")
    assert owner.write("Be very brief", memory_type="procedural", key="tone").decision == "supersedes"
    moments.later(10)
    assert owner.write("Never guess", memory_type="procedural").decision == "added", (
        "an expired instruction does not count"
    )
    monkeypatch.setattr(writing, "MAX_MEMORIES", 4)
    assert owner.write("Grace speaks French").decision == "added"
    full = owner.write("Grace speaks German")
    assert (full.decision, full.reason) == ("rejected", "The agent has reached the limit of 4 memories")


def test_the_route_reports_a_rejected_write(me: RegisteredUser, path: str) -> None:
    answer = me.client.post(f"{path}/memories", {"content": "my password is hunter2"})
    assert (answer.status, answer.json["decision"], answer.json["memory"]) == (200, "rejected", None)
    made = me.client.post(f"{path}/memories", {"content": "The office is in Lisbon"}).json["memory"]
    location = f"{path}/memories/{made['id']}"
    refused = me.client.patch(location, {"content": "my password is hunter2"})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/content")


# Reads of the past


def test_as_of_reads_the_memories_that_were_valid_then(
    moments: Moments, me: RegisteredUser, path: str
) -> None:
    first = me.client.post(f"{path}/memories", {"content": "The office is in Lisbon"}).json["memory"]
    then = clock.iso(moments.later())
    moments.later()
    second = me.client.post(f"{path}/memories", {"content": "The office is in Porto"}).json["memory"]
    now = clock.iso(moments.later())

    def listed(moment: str) -> list[str]:
        return [item["id"] for item in me.client.get(f"{path}/memories?asOf={moment}").json["items"]]

    def search_at(moment: str | None) -> list[str]:
        request = {"query": "where is the office"} | ({"asOf": moment} if moment else {})
        return [
            hit["memory"]["id"] for hit in me.client.post(f"{path}/memories/search", request).json["items"]
        ]

    assert (listed(then), listed(now)) == ([first["id"]], [second["id"]])
    assert (search_at(then), search_at(now), search_at(None)) == (
        [first["id"]],
        [second["id"]],
        [second["id"]],
    )
    assert listed("2020-01-01T00:00:00Z") == search_at("2020-01-01T00:00:00Z") == []
    assert me.client.get(f"{path}/memories/{first['id']}?asOf={then}").status == 200
    assert me.client.get(f"{path}/memories/{first['id']}?asOf={now}").status == 404
    assert me.client.get(f"{path}/memories/{first['id']}").json["validTo"] == second["validFrom"]


def test_corrections_stay_in_the_history(moments: Moments, me: RegisteredUser, path: str) -> None:
    made = me.client.post(f"{path}/memories", {"content": "Ada lives in Berlin"}).json["memory"]
    location, before = f"{path}/memories/{made['id']}", clock.iso(moments.later())
    assert me.client.get(location).json["history"] == []
    for city in ("Bonn", "Köln"):
        moments.later()
        changed = me.client.patch(
            location, {"content": f"Ada lives in {city}", "metadata": {"importance": 0.4}}
        )
    history = changed.json["history"]
    assert [item["content"] for item in history] == ["Ada lives in Bonn", "Ada lives in Berlin"]
    assert (
        history[0]["changedBy"]["userId"] == me.user["id"]
        and history == me.client.get(location).json["history"]
    )
    assert me.client.get(f"{location}?asOf={before}").json["content"] == "Ada lives in Berlin"
    assert me.client.get(f"{path}/memories").json["items"][0]["history"] == []

    def search(query: str) -> list[str]:
        hits = me.client.post(f"{path}/memories/search", {"query": query}).json["items"]
        return [hit["memory"]["content"] for hit in hits]

    assert search("Berlin") == [] and search("Köln") == ["Ada lives in Köln"]


def test_a_key_has_one_value_after_its_expiry_was_removed(
    moments: Moments, me: RegisteredUser, path: str
) -> None:
    soon = clock.iso(moments.now + timedelta(seconds=10))
    body = {"key": "k", "content": "The office is in Lisbon", "metadata": {"expires": soon}}
    made = me.client.post(f"{path}/memories", body).json["memory"]
    assert me.client.patch(f"{path}/memories/{made['id']}", {"metadata": {}}).status == 200
    moments.later(20)
    moved = me.client.post(f"{path}/memories", {"key": "k", "content": "The office is in Porto"}).json
    assert (moved["decision"], moved["otherId"]) == ("supersedes", made["id"])


def kinds() -> Counter[str]:
    rows = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    return Counter(row["kind"]["S"] for row in rows)


def memory_rows() -> dict[str, int]:
    return {
        kind: number
        for kind, number in kinds().items()
        if kind.startswith("MEMORY") or kind in KINDS_OF_A_MEMORY
    }


KINDS_OF_A_MEMORY = {"AGENTMEMORY", "LEXICON"}


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The deployment's embedder counts letters."""
    from tests.agents import letter_embedder

    with letter_embedder.use_embedder():
        yield


def test_a_deletion_removes_every_row_and_object(me: RegisteredUser, path: str, letters: None) -> None:
    long = "The office is in Lisbon " + "x" * 50_000
    made = me.client.post(f"{path}/memories", {"content": long, "key": "k"}).json["memory"]
    location = f"{path}/memories/{made['id']}"
    assert me.client.patch(location, {"content": long.replace("Lisbon", "Porto")}).status == 200
    assert set(memory_rows()) == {
        "AGENTMEMORY",
        "MEMORYKEY",
        "MEMORYHISTORY",
        "MEMORYVECTOR",
        "MEMORYTERM",
        "LEXICON",
    }
    assert boto3.client("s3").list_objects_v2(Bucket="weconnect")["KeyCount"] == 2
    assert me.client.delete(location, headers={"If-Match": '"1"'}).status == 412
    assert me.client.delete(location, headers={"If-Match": '"2"'}).status == 204
    assert memory_rows() == {} and boto3.client("s3").list_objects_v2(Bucket="weconnect")["KeyCount"] == 0
    assert me.client.delete(location).status == 404


def test_an_erased_session_leaves_no_rows(me: RegisteredUser, path: str, letters: None) -> None:
    for number, kind in enumerate(["semantic", "episodic", "procedural", "conversation"]):
        body = {"content": f"fact {number}", "memoryType": kind, "sessionId": "s", "key": f"k{number}"}
        assert me.client.post(f"{path}/memories", body).status == 201
    assert me.client.post(f"{path}/memories", {"content": "another"}).status == 201
    assert me.client.delete(f"{path}/memories?sessionId=s").json == {"deleted": 4}
    left = memory_rows()
    assert left["AGENTMEMORY"] == left["MEMORYKEY"] == left["MEMORYVECTOR"] == 1


def test_a_later_expiry_applies_to_the_history_too(moments: Moments, me: RegisteredUser, path: str) -> None:
    location = (
        f"{path}/memories/{me.client.post(f'{path}/memories', {'content': 'Alpha'}).json['memory']['id']}"
    )
    moments.later()
    soon = clock.iso(moments.now + timedelta(seconds=10))
    assert me.client.patch(location, {"content": "Beta", "metadata": {"expires": soon}}).status == 200
    assert [item["content"] for item in me.client.get(location).json["history"]] == ["Alpha"]
    rows = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    ends = {
        row["ttl"]["N"] for row in rows if row["kind"]["S"] in ("MEMORYHISTORY", "MEMORYKEY", "AGENTMEMORY")
    }
    assert len(ends) == 1


def test_a_purged_agent_leaves_no_memory(me: RegisteredUser, path: str, letters: None) -> None:
    made = me.client.post(f"{path}/memories", {"content": "Alpha " * 10_000, "key": "k"}).json["memory"]
    assert me.client.patch(f"{path}/memories/{made['id']}", {"content": "Beta"}).status == 200
    assert me.client.delete(path).status == 204
    agent = path.rpartition("/")[2]
    trash = {"pk": f"ORG#{me.organization['id']}", "sk": f"TRASH#AGENT#{agent}"}
    boto3.client("dynamodb").delete_item(
        TableName="weconnect", Key={name: {"S": value} for name, value in trash.items()}
    )
    assert len(memory_rows()) == 6 and purge.purge((trash["pk"], trash["sk"]))
    assert memory_rows() == {} and boto3.client("s3").list_objects_v2(Bucket="weconnect")["KeyCount"] == 0


CITIES = ["Lisbon", "Porto", "Braga"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["office", "store"]), st.sampled_from(CITIES), st.booleans()), max_size=8
    )
)
def test_a_key_has_one_value_at_any_moment(aws: None, written: list[tuple[str, str, bool]]) -> None:
    owner, results = Owner(), []
    values: dict[str, str] = {}
    values_by_moment: list[dict[str, str]] = []
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.MonkeyPatch.context() as patch:
        for number, (noun, city, has_key) in enumerate(written):
            patch.setattr(clock, "now", lambda number=number: start + timedelta(seconds=number))
            key = {"key": f"{noun}.location"} if has_key else {}
            results.append(owner.write(f"The {noun} is in {city}", **key))
            values[noun] = city
            values_by_moment.append(dict(values))
        for number in range(len(written)):
            moment = start + timedelta(seconds=number + 0.5)
            for noun in ("office", "store"):
                request = MemorySearch(query=f"{noun} location", as_of=moment, limit=100)
                hits = search.search_agent(*owner.ids, request).items
                contents = [hit.memory.content for hit in hits if noun in hit.memory.content]
                expected = values_by_moment[number].get(noun)
                assert contents == ([f"The {noun} is in {expected}"] if expected else []), (written, number)
    assert all(_is_consistent(result) for result in results)


def _is_consistent(result: MemoryWriteResult) -> bool:
    return (result.other_id is None) == (result.decision == "added") and result.memory is not None
