"""CPU time of a model request beside a bare POST of the same bytes to the same server, which is another process."""

import json
import tempfile
from collections.abc import Iterator
from typing import Any

from infra.cloudformation import ROOT
from tests.bench import starts
from tests.bench.rows import Line, median
from tests.models.fake_model_servers import FakeModels, Say
from tests.models.provider_requests import KEY, PROVIDERS, WEATHER, build_request
from weconnect.models import pydantic_ai_adapter, send_request
from weconnect.models.messages import Message
from weconnect.settings import settings

ROUNDS, PROCESSES = 25, 3


def lines() -> Iterator[Line]:
    """Yield the import of the adapter, and for each provider a request and the first request in a process."""
    measured: dict[str, list[dict[str, Any]]] = {provider: [] for provider in PROVIDERS}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PROCESSES + 1):  # the first process compiles the byte code
            for provider in PROVIDERS:
                measurement = _measure(provider, folder)
                if number:
                    measured[provider].append(measurement)
    every = [measurement for measurements in measured.values() for measurement in measurements]
    yield Line(
        "model adapter: import after httpx2, CPU and memory",
        f"{median(one['import'] for one in every):.0f} ms, {median(one['import_kb'] for one in every) / 1024:.0f} MB",
    )
    for provider, measurements in measured.items():
        medians = {
            name: median(one[provider][name] for one in measurements)
            for name in ("adapter", "bare", "first", "first_kb")
        }
        yield Line(
            f"model request through the adapter, CPU: {provider}",
            f"{medians['adapter']:.1f} ms",
            f"{medians['bare']:.1f} ms bare httpx2 POST with a new client",
            medians["adapter"] / medians["bare"],
        )
        yield Line(
            "  the first one in a process, with the library's import",
            f"{medians['first']:.0f} ms, {medians['first_kb'] / 1024:.0f} MB",
        )


def _measure(provider: str, folder: str) -> dict[str, Any]:
    """Return milliseconds and kilobytes of one provider, measured in a new process."""
    with FakeModels([Say("ok")] * (2 * ROUNDS + 6)) as server:
        original = dict(pydantic_ai_adapter.BASE_URLS), settings.outbound_allowed_hosts
        object.__setattr__(settings, "outbound_allowed_hosts", frozenset({"127.0.0.1"}))
        urls = {"openai": f"{server.url}/v1", **dict.fromkeys(("anthropic", "google", "bedrock"), server.url)}
        pydantic_ai_adapter.BASE_URLS.update(urls)
        try:
            question = [Message(role="user", content="What is the weather in Bern? " * 20)]
            request = build_request(
                provider, server, system="Answer briefly. " * 50, messages=question, tools=[WEATHER]
            )
            send_request(request, KEY)  # sent once here, to record its bytes
        finally:
            pydantic_ai_adapter.BASE_URLS.update(original[0])
            object.__setattr__(settings, "outbound_allowed_hosts", original[1])
        sent = server.requests[0]
        case = {"request": request.model_dump(), "path": sent.path, "body": sent.body.decode()}
        task = {"address": server.url, "rounds": ROUNDS, "cases": {provider: case}}
        variables = starts.environment(server.url, folder, str(ROOT))
        variables["OUTBOUND_ALLOWED_HOSTS"] = "127.0.0.1"
        return json.loads(starts.run("model_request", json.dumps(task), variables))  # type: ignore[no-any-return]
