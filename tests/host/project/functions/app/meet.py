"""A function that waits until as many calls run at once as the path says."""

import time
from typing import Any

from app.clients import add


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    name, count = event["pathParameters"]["name"], int(event["pathParameters"]["count"])
    add("MEET", name)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if add("MEET", name, 0) >= count:
            return {"statusCode": 200, "body": "met"}
        time.sleep(0.05)
    return {"statusCode": 500, "body": "alone"}
