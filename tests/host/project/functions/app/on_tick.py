from typing import Any

from app.clients import add


def handler(event: dict[str, Any], context: Any) -> None:
    add("TICK", event["detail-type"])
