"""Model requests through the adapters, alternating with bare POSTs of the same bytes; prints CPU ms as JSON."""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

task = json.loads(sys.stdin.read())
address = task["address"]


def kilobytes() -> int:
    """Return the memory of this process now; its maximum would start from that of its parent."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") // 1024


import httpx2  # noqa: E402

before, started = kilobytes(), time.process_time()
from weconnect.models import pydantic_ai_adapter, send_request  # noqa: E402
from weconnect.models.messages import ModelRequest  # noqa: E402
from weconnect.outbound.guard import ssl_context  # noqa: E402

measured: dict[str, Any] = {
    "import": (time.process_time() - started) * 1000,
    "import_kb": kilobytes() - before,
}
pydantic_ai_adapter.BASE_URLS.update(
    {"openai": f"{address}/v1", "anthropic": address, "google": address, "bedrock": address}
)


def bare(path: str, content: bytes) -> None:
    """Send what a request needs at least, with a new client and shared TLS settings, as the adapter does."""
    with httpx2.Client(trust_env=False, verify=ssl_context()) as http:
        headers = {"content-type": "application/json", "authorization": "Bearer key"}
        assert http.post(address + path, content=content, headers=headers).json()


for provider, case in task["cases"].items():
    request = ModelRequest.model_validate(case["request"])
    before, started = kilobytes(), time.process_time()
    assert send_request(request, "key").text == "ok"
    first = (time.process_time() - started) * 1000, kilobytes() - before
    calls: dict[str, Callable[[], object]] = {
        "adapter": partial(send_request, request, "key"),
        "bare": partial(bare, case["path"], case["body"].encode()),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(task["rounds"] + 2):
        for name, call in calls.items():
            started = time.process_time()
            call()
            times[name].append((time.process_time() - started) * 1000)
    measured[provider] = {name: statistics.median(values[2:]) for name, values in times.items()}
    measured[provider] |= {"first": first[0], "first_kb": first[1]}
print(json.dumps(measured))
