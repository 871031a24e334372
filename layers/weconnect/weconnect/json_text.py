"""JSON as it is written: into responses, and into what is stored of executions."""

import json
from typing import Any


def write_json(value: Any) -> str:
    """Return compact JSON in its own letters, with `?` for each half of a surrogate pair.

    JSON may contain one, in keys too, but UTF-8 cannot, and a client could not read it.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() else text.encode(errors="replace").decode()
