from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    assert event["type"] == "REQUEST" and "body" not in event
    good = event["headers"].get("authorization") == "good"
    return {"isAuthorized": good, "context": {"user": "me", "route": event["routeKey"]}}
