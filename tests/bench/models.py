"""What a model request costs beside a bare POST of the same bytes to the same server, which is another process."""

import json
import tempfile
from collections.abc import Iterator
from typing import Any

from infra.cloudformation import ROOT
from tests.agents.asking import KEY, PROVIDERS, WEATHER, ask
from tests.agents.fake_model_servers import FakeModels, Say
from tests.bench import starts
from tests.bench.rows import Line, median
from weconnect.agents.models import complete, pydantic_ai_adapter
from weconnect.agents.models.messages import Message
from weconnect.settings import settings

ROUNDS, PROCESSES = 25, 3


def lines() -> Iterator[Line]:
    """One line for each provider, its first request in a process, and the adapter's import."""
    found: dict[str, list[dict[str, Any]]] = {provider: [] for provider in PROVIDERS}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PROCESSES + 1):  # the first compiles
            for provider in PROVIDERS:
                measured = _measure(provider, folder)
                if number:
                    found[provider].append(measured)
    every = [measured for of_one in found.values() for measured in of_one]
    yield Line(
        "model adapter: import, CPU and memory, httpx2 already there",
        f"{median(one['import'] for one in every):.0f} ms, {median(one['import_kb'] for one in every) / 1024:.0f} MB",
    )
    for provider, of_one in found.items():
        took = {
            name: median(one[provider][name] for one in of_one)
            for name in ("adapter", "bare", "first", "first_kb")
        }
        yield Line(
            f"model request through the adapter, CPU: {provider}",
            f"{took['adapter']:.1f} ms",
            f"{took['bare']:.1f} ms bare httpx2 POST, own client",
            took["adapter"] / took["bare"],
        )
        yield Line(
            "  its first in a process, with the library's import",
            f"{took['first']:.0f} ms, {took['first_kb'] / 1024:.0f} MB",
        )


def _measure(provider: str, folder: str) -> dict[str, Any]:
    """Milliseconds and kilobytes of one provider, in a process of its own."""
    with FakeModels([Say("ok")] * (2 * ROUNDS + 6)) as server:
        kept = dict(pydantic_ai_adapter.ADDRESSES), settings.outbound_allowed_hosts
        object.__setattr__(settings, "outbound_allowed_hosts", frozenset({"127.0.0.1"}))
        here = {"openai": f"{server.url}/v1", **dict.fromkeys(("anthropic", "google", "bedrock"), server.url)}
        pydantic_ai_adapter.ADDRESSES.update(here)
        try:
            question = [Message(role="user", content="What is the weather in Bern? " * 20)]
            request = ask(
                provider, server, system="Answer briefly. " * 50, messages=question, tools=[WEATHER]
            )
            complete(request, KEY)  # once here, to learn the bytes
        finally:
            pydantic_ai_adapter.ADDRESSES.update(kept[0])
            object.__setattr__(settings, "outbound_allowed_hosts", kept[1])
        sent = server.asked[0]
        case = {"request": request.model_dump(), "path": sent.path, "body": sent.body.decode()}
        asked = {"address": server.url, "rounds": ROUNDS, "cases": {provider: case}}
        variables = starts.environment(server.url, folder, str(ROOT))
        variables["OUTBOUND_ALLOWED_HOSTS"] = "127.0.0.1"
        return json.loads(starts.run("model_request", json.dumps(asked), variables))  # type: ignore[no-any-return]
