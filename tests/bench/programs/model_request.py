"""Model requests through the adapters, interleaved with bare POSTs of the same bytes; CPU milliseconds, as JSON."""

import json
import os
import statistics
import sys
import time
from pathlib import Path

asked = json.loads(sys.stdin.read())
address = asked["address"]


def kilobytes() -> int:
    """What this process holds now; its maximum would begin at its parent's."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") // 1024


import httpx2  # noqa: E402

before, started = kilobytes(), time.process_time()
from weconnect.agents.models import complete, pydantic_ai_adapter  # noqa: E402
from weconnect.agents.models.messages import ModelRequest  # noqa: E402
from weconnect.outbound.guard import ssl_context  # noqa: E402

found = {"import": (time.process_time() - started) * 1000, "import_kb": kilobytes() - before}
pydantic_ai_adapter.ADDRESSES.update(
    {"openai": f"{address}/v1", "anthropic": address, "google": address, "bedrock": address}
)


def bare(path: str, content: bytes) -> None:
    """What a request needs at least: a client of its own, as the adapter has one for each call, with shared TLS."""
    with httpx2.Client(trust_env=False, verify=ssl_context()) as http:
        headers = {"content-type": "application/json", "authorization": "Bearer key"}
        assert http.post(address + path, content=content, headers=headers).json()


for provider, case in asked["cases"].items():
    request = ModelRequest.model_validate(case["request"])
    before, started = kilobytes(), time.process_time()
    assert complete(request, "key").text == "ok"
    first = (time.process_time() - started) * 1000, kilobytes() - before
    calls = {
        "adapter": lambda request=request: complete(request, "key"),
        "bare": lambda case=case: bare(case["path"], case["body"].encode()),
    }
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(asked["rounds"] + 2):
        for name, call in calls.items():
            started = time.process_time()
            call()
            took[name].append((time.process_time() - started) * 1000)
    found[provider] = {name: statistics.median(values[2:]) for name, values in took.items()}
    found[provider] |= {"first": first[0], "first_kb": first[1]}
print(json.dumps(found))
