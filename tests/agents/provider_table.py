"""The table in docs/providers.md, made from what the adapters send to the fake servers.

`python -m tests.agents.provider_table` writes it anew; a test compares it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pydantic.alias_generators import to_camel

from tests.agents.asking import CITY, KEY, MODELS, PROVIDERS, WEATHER, ask
from tests.agents.fake_model_servers import FakeModels, Say
from weconnect.agents.entities import AgentConfiguration
from weconnect.agents.models import complete
from weconnect.agents.models.messages import Message, ModelReply, ModelRequest, ModelSettings
from weconnect.settings import settings

DOCUMENT = Path(__file__).parents[2] / "docs/providers.md"
BEGIN, END = "<!-- made by tests/agents/provider_table.py -->", "<!-- until here -->"
# Values that no provider has by default.
VALUES: dict[str, Any] = {
    "temperature": 0.25,
    "max_tokens": 77,
    "top_p": 0.5,
    "frequency_penalty": 0.125,
    "presence_penalty": -0.5,
    "stop_sequences": ["END"],
}
EARLIER = [Message(role="user", content="Hello"), Message(role="assistant", content="Good day")]
# What no wire has a field for: the run itself uses it, whatever the provider.
OURS = ("memory_type", "memory_config")


def rows() -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """A row's name, and what it changes of the plain request: `without` and `with` it."""
    yield "systemPrompt", {"with": {"system": "Be brief."}}
    for name in ModelSettings.model_fields:
        yield to_camel(name), {"with": {"settings": ModelSettings(**{name: VALUES[name]})}}
    yield "earlier turns", {"with": {"messages": [*EARLIER, Message(role="user", content="hi")]}}
    yield "tools", {"with": {"tools": [WEATHER]}}
    yield "outputSchema", {"with": {"output_schema": CITY}}
    beside = {"without": {"tools": [WEATHER]}, "with": {"tools": [WEATHER], "output_schema": CITY}}
    yield "outputSchema beside tools", beside


def cell(provider: str, changes: dict[str, dict[str, Any]]) -> str:
    """The names that a field changes on a provider's wire, or the warning that it gets."""
    if provider == "embedded":
        return _embedded(changes)
    with FakeModels([Say("ok"), Say("ok")]) as server:
        host = server.url
        addresses = {"openai": f"{host}/v1", "anthropic": host, "google": host, "bedrock": host}
        with patch("weconnect.agents.models.pydantic_ai_adapter.ADDRESSES", addresses):
            complete(ask(provider, server, **changes.get("without", {})), KEY)
            reply = complete(ask(provider, server, **changes["with"]), KEY)
    before, after = (asked.json for asked in server.asked)
    paths = sorted(set(_changed(before, after)))
    if reply.warnings:
        return _warned(reply) if not paths else f"{', '.join(paths)}; {_warned(reply)}"
    value = _value(changes["with"])
    assert value is None or json.dumps(value) in json.dumps(after), (provider, value)
    assert paths, (provider, changes)
    return ", ".join(f"`{path}`" for path in paths)


def _embedded(changes: dict[str, dict[str, Any]]) -> str:
    question = [Message(role="user", content="what is the weather in Bern?")]
    shape = {"type": "object", "properties": {"text": {"type": "string"}}}
    given = {name: shape if name == "output_schema" else value for name, value in changes["with"].items()}
    plain = {"provider": "embedded", "model": "embedded", "messages": question}
    reply = complete(ModelRequest(**(plain | given)), None)
    if reply.warnings:
        return _warned(reply)
    if "system" in given or "messages" in given:
        return "read by the rules"
    if "output_schema" in given and "tools" not in given:
        assert set(json.loads(reply.text)) == {"text"}
        return "one string property"
    assert [call.name for call in reply.tool_calls] == ["weather"]
    return "called by the rules" if "output_schema" not in given else "one string property, after the calls"


def _warned(reply: ModelReply) -> str:
    (warning,) = reply.warnings
    return f"warning: {warning.split(':')[0].split(' ', 1)[1]}"


def _value(changes: dict[str, Any]) -> Any:
    chosen = changes.get("settings")
    return next(iter(chosen.model_dump(exclude_none=True).values())) if chosen else changes.get("system")


def _changed(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """The shallowest paths that are new or other; a list is one thing."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in after:
            yield from _changed(before.get(key), after[key], f"{path}.{key}" if path else key)
    elif before != after:
        yield path


def table() -> str:
    """The whole table in Markdown."""
    providers = [*PROVIDERS, "embedded"]
    lines = [
        "| | " + " | ".join(f"`{name}`" for name in providers) + " |",
        "|---" * (len(providers) + 1) + "|",
    ]
    for name, changes in rows():
        lines.append(f"| {name} | " + " | ".join(cell(provider, changes) for provider in providers) + " |")
    for name in OURS:
        assert name not in ModelRequest.model_fields and name not in ModelSettings.model_fields
        lines.append(f"| {to_camel(name)} | " + " | ".join(["the run's own"] * len(providers)) + " |")
    tried = ", ".join(f"`{MODELS[name]}`" for name in PROVIDERS)
    return "\n".join([*lines, "", f"Each with a model that takes all that its provider takes: {tried}."])


def written(document: str, made: str) -> str:
    """The document with another table in it."""
    head, _, rest = document.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{made}\n{END}{tail}"


def fields() -> set[str]:
    """Every field of an agent's configuration, as it must have a row."""
    return {to_camel(name) for name in AgentConfiguration.model_fields}


if __name__ == "__main__":
    object.__setattr__(settings, "outbound_allowed_hosts", frozenset({"127.0.0.1"}))
    DOCUMENT.write_text(written(DOCUMENT.read_text(), table()))
