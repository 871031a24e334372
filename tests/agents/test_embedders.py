"""The embedders: vendors' ones against stubs, the bundled one as it is."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.agents.memory_owner import Owner
from weconnect.agents.memory import embedders
from weconnect.agents.memory.embedders import bedrock, minilm
from weconnect.models import deployment_keys
from weconnect.outbound import client as outbound
from weconnect.settings import settings


@pytest.fixture
def choose() -> Iterator[Any]:
    original = settings.embedder

    def choose_embedder(name: str) -> None:
        object.__setattr__(settings, "embedder", name)

    yield choose_embedder
    choose_embedder(original)


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_without_an_embedder_there_are_no_vectors_and_no_note(choose: Any) -> None:
    choose("none")
    assert embedders.load_embedder() is None and embedders.embed(["x"]) == (None, None)


def test_the_bundled_embedder_distinguishes_meanings() -> None:
    texts = [
        "The office is in Lisbon",
        "Our headquarters are located in Portugal's capital",
        "I like tea",
        "",
        "word " * 5_000,
    ]
    office, headquarters, tea, empty, long = minilm.embed(texts)
    assert all(len(vector) == embedders.DIMENSIONS for vector in (office, empty, long))
    assert cosine(office, office) == pytest.approx(1, abs=1e-5)
    assert cosine(office, headquarters) > 0.5 > minilm.MIN_COSINE > cosine(office, tea)


def test_the_bundled_embedder_agrees_with_the_published_model() -> None:
    """The model's library returns a cosine of 0.755 here; the reduction to 256 numbers changes it slightly."""
    one, other = minilm.embed(["A man is eating food.", "A man is eating a piece of bread."])
    assert cosine(one, other) == pytest.approx(0.755, abs=0.03)


@pytest.mark.parametrize("name", ["bedrock", "openai", "bundled"])
def test_the_setting_names_an_embedders_module(choose: Any, name: str) -> None:
    choose(name)
    embedder = embedders.load_embedder()
    assert embedder and name == embedder.NAME and 0 < embedder.MIN_COSINE < 1


class StubTitan:
    """Stub of Bedrock's client that records its requests."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    def invoke_model(self, *, modelId: str, body: str, **_: str) -> dict[str, Any]:  # noqa: N803
        self.requests.append({"modelId": modelId, **json.loads(body)})
        number = float(json.loads(body)["inputText"][-1])
        return {"body": io.BytesIO(json.dumps({"embedding": [number] * 256}).encode())}


def test_titan_gets_one_request_for_each_text(choose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("bedrock")
    titan = StubTitan()
    monkeypatch.setattr(bedrock, "client", lambda: titan)
    vectors, note = embedders.embed(["text 1", "text 2", "text 3"])
    assert [vector[0] for vector in vectors or []] == [1, 2, 3] and note is None
    expected = {"modelId": "amazon.titan-embed-text-v2:0", "dimensions": 256, "normalize": True}
    assert {"inputText": "text 1", **expected} in titan.requests


def test_openai_gets_one_request_for_all_texts(choose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("openai")
    sent: dict[str, Any] = {}

    def send(method: str, url: str, **request: Any) -> outbound.OutboundResponse:
        sent.update(request, url=url)
        data = [{"index": number, "embedding": [number] * 256} for number in (1, 0)]
        return outbound.OutboundResponse(200, {}, json.dumps({"data": data}).encode(), url)

    monkeypatch.setattr(outbound, "send", send)
    monkeypatch.setattr(deployment_keys._secret, "_value", {"openai": "key of openai"})
    vectors, _ = embedders.embed(["a", "b" * 10_000])
    assert [vector[0] for vector in vectors or []] == [0, 1], "in the order of the texts"
    assert sent["headers"] == {"authorization": "Bearer key of openai"}
    assert sent["json"]["dimensions"] == 256 and len(sent["json"]["input"][1]) == embedders.MAX_CHARACTERS
    monkeypatch.setattr(outbound, "send", lambda *_, **__: outbound.OutboundResponse(500, {}, b"", ""))
    assert embedders.embed(["a"]) == (None, "The embedder openai failed: only words were compared")


def test_a_missing_key_is_reported_in_the_note(choose: Any) -> None:
    choose("openai")
    assert embedders.embed(["a"])[1]


def test_a_reworded_fact_is_a_duplicate(aws: None, choose: Any) -> None:
    """Similarity finds duplicates that the rules miss, unless names or numbers differ."""
    choose("bundled")
    owner = Owner()
    owner.write("Support tickets must be answered within four hours")
    again = owner.write("Support tickets have to be answered within 4 hours")
    assert again.decision == "duplicate_of" and "similarity" in again.reason
    assert owner.write("Support tickets must be answered within 8 hours").decision == "added"
