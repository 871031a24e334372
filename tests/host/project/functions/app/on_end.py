from typing import Any

from app.clients import add


def handler(event: dict[str, Any], context: Any) -> None:
    detail = event["detail"]
    add("ENDED", f"{detail['durableExecutionName']}#{detail['status']}")
