"""The embedders, each against something that speaks its vendor's wire; the bundled one for real."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.agents.memories import Owner
from weconnect.agents.memory import embedders
from weconnect.agents.memory.embedders import bedrock, minilm
from weconnect.agents.models import deployment_keys
from weconnect.outbound import client as outbound
from weconnect.settings import settings


@pytest.fixture
def choose() -> Iterator[Any]:
    before = settings.embedder

    def chosen(name: str) -> None:
        object.__setattr__(settings, "embedder", name)

    yield chosen
    chosen(before)


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_without_one_there_is_nothing_to_say(choose: Any) -> None:
    choose("none")
    assert embedders.chosen() is None and embedders.embed(["x"]) == (None, None)


def test_the_bundled_one_tells_meanings_apart() -> None:
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
    assert cosine(office, headquarters) > 0.5 > minilm.FLOOR > cosine(office, tea)


def test_the_bundled_one_is_the_published_model() -> None:
    """The cosine that the model's own library answers for these two is 0.755; the rotation to 256 costs a little."""
    one, other = minilm.embed(["A man is eating food.", "A man is eating a piece of bread."])
    assert cosine(one, other) == pytest.approx(0.755, abs=0.03)


@pytest.mark.parametrize("name", ["bedrock", "openai", "bundled"])
def test_a_choice_is_a_module(choose: Any, name: str) -> None:
    choose(name)
    found = embedders.chosen()
    assert found and name == found.NAME and 0 < found.FLOOR < 1


class Titan:
    """Stands where Bedrock's client stands."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def invoke_model(self, *, modelId: str, body: str, **_: str) -> dict[str, Any]:  # noqa: N803
        self.asked.append({"modelId": modelId, **json.loads(body)})
        number = float(json.loads(body)["inputText"][-1])
        return {"body": io.BytesIO(json.dumps({"embedding": [number] * 256}).encode())}


def test_titan_is_asked_for_256_dimensions(choose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("bedrock")
    titan = Titan()
    monkeypatch.setattr(bedrock, "client", lambda: titan)
    vectors, note = embedders.embed(["text 1", "text 2", "text 3"])
    assert [vector[0] for vector in vectors or []] == [1, 2, 3] and note is None
    asked = {"modelId": "amazon.titan-embed-text-v2:0", "dimensions": 256, "normalize": True}
    assert {"inputText": "text 1", **asked} in titan.asked


def test_openai_is_asked_once_for_all(choose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("openai")
    asked: dict[str, Any] = {}

    def send(method: str, url: str, **request: Any) -> outbound.OutboundResponse:
        asked.update(request, url=url)
        data = [{"index": number, "embedding": [number] * 256} for number in (1, 0)]
        return outbound.OutboundResponse(200, {}, json.dumps({"data": data}).encode(), url)

    monkeypatch.setattr(outbound, "send", send)
    monkeypatch.setattr(deployment_keys, "of_deployment", lambda provider: f"key of {provider}")
    vectors, _ = embedders.embed(["a", "b" * 10_000])
    assert [vector[0] for vector in vectors or []] == [0, 1], "in the order of the texts"
    assert asked["headers"] == {"authorization": "Bearer key of openai"}
    assert asked["json"]["dimensions"] == 256 and len(asked["json"]["input"][1]) == embedders.LONGEST
    monkeypatch.setattr(outbound, "send", lambda *_, **__: outbound.OutboundResponse(500, {}, b"", ""))
    assert embedders.embed(["a"]) == (None, "The embedder openai failed: found by words alone")


def test_a_missing_key_is_a_note(choose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("openai")
    monkeypatch.setattr(deployment_keys, "of_deployment", lambda provider: None)
    assert embedders.embed(["a"])[1]


def test_the_same_fact_in_other_words_is_a_duplicate(aws: None, choose: Any) -> None:
    """What the rules do not see, the likeness does; other names and numbers keep it from seeing too much."""
    choose("bundled")
    owner = Owner()
    owner.write("Support tickets must be answered within four hours")
    again = owner.write("Support tickets have to be answered within 4 hours")
    assert again.decision == "duplicate_of" and "likeness" in again.reason
    assert owner.write("Support tickets must be answered within 8 hours").decision == "added"
