"""Cold start of a GET: import the route's file and call it once."""

import json
import sys
from types import SimpleNamespace

event = json.loads(sys.stdin.read())

from agents.get_agent import handler  # noqa: E402

context = SimpleNamespace(
    function_name="f",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn",
    aws_request_id="r",
    get_remaining_time_in_millis=lambda: 29_000,
)
response = handler(event["get_agent"], context)
assert response["statusCode"] == 200, response
