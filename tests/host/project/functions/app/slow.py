import time
from typing import Any


def handler(event: dict[str, Any], context: Any) -> None:
    time.sleep(20)
