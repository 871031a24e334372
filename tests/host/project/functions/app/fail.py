from typing import Any


def handler(event: dict[str, Any], context: Any) -> None:
    raise KeyError("secret detail")
