"""Warm calls of the authorizer with a JWT, for a GET and for a POST; prints CPU microseconds per call as JSON."""

import copy
import json
import statistics
import sys
import time
from typing import Any

event = json.loads(sys.stdin.read())

from auth.authorize import handler  # noqa: E402
from weconnect.security import signing  # noqa: E402

ROUNDS, CALLS = 25, 20
key = signing.SigningKey(id="bench", secret=b"s" * 64)
signing._current, signing._keys_by_id = key, {key.id: key}
events: dict[str, Any] = {method: copy.deepcopy(event["authorize"]) for method in ("GET", "POST")}
for method, request in events.items():
    request["requestContext"]["http"]["method"] = method
    context = handler(request, None)["context"]
    assert context.get("permissions") == "*", context
times: dict[str, list[float]] = {name: [] for name in events}
for _ in range(ROUNDS + 2):
    for name, request in events.items():
        started = time.process_time()
        for _ in range(CALLS):
            handler(request, None)
        times[name].append((time.process_time() - started) / CALLS * 1e6)
print(json.dumps({name: statistics.median(values[2:]) for name, values in times.items()}))
