"""Warm calls, alternating with bare PynamoDB gets of the same rows; prints CPU microseconds per call as JSON."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

event = json.loads(sys.stdin.read())

from agents.get_agent import handler  # noqa: E402
from auth import get_me  # noqa: E402, F401
from weconnect.agents.rows import AgentRow  # noqa: E402
from weconnect.identity.rows import UserRow  # noqa: E402

ROUNDS, CALLS = 25, 20
context = SimpleNamespace(
    function_name="f",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn",
    aws_request_id="r",
    get_remaining_time_in_millis=lambda: 29_000,
)
caller = event["get_me"]["requestContext"]["authorizer"]["lambda"]
agent = AgentRow.at(UUID(caller["organizationId"]), UUID(event["get_agent"]["pathParameters"]["agentId"]))
user = UserRow.at(UUID(caller["userId"]))
calls: dict[str, Callable[[], Any]] = {
    "get_agent": lambda: handler(event["get_agent"], context),
    "get_me": lambda: handler(event["get_me"], context),
    "bare_agent": lambda: AgentRow.get(*agent),
    "bare_user": lambda: UserRow.get(*user),
}
assert all(calls[name]()["statusCode"] == 200 for name in ("get_agent", "get_me"))
times: dict[str, list[float]] = {name: [] for name in calls}
for _ in range(ROUNDS + 2):
    for name, call in calls.items():
        started = time.process_time()
        for _ in range(CALLS):
            call()
        times[name].append((time.process_time() - started) / CALLS * 1e6)
print(json.dumps({name: statistics.median(values[2:]) for name, values in times.items()}))
