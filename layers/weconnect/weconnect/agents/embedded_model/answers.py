"""Sentences out of what the tools returned."""

import json
import re
from datetime import datetime
from typing import Any

from weconnect.agents.embedded_model import memory_requests
from weconnect.agents.models.messages import Message, ToolCall

SHORT = 500


def sentence(call: ToolCall, result: Message, question: str) -> str:
    """Say what one tool call brought; `result.content` is JSON text."""
    value = _read(result.content)
    if result.is_error:
        return f"The tool {call.name} failed: {_reason(value)}"
    known = {
        "calculator": _calculation,
        "date_time": _date_time,
        "http_request": _http,
        "json_query": _result,
        "memory_save": _saved,
        "text": _result,
    }
    if call.name == "memory_search":
        return memory_requests.answer(question, value)
    said = known[call.name](call.arguments, value) if call.name in known and isinstance(value, dict) else None
    return said or f"{call.name}: {brief(_told(value))}"


def _told(value: Any) -> Any:
    """What a declared HTTP tool was told, without the envelope of the exchange."""
    return (
        value["body"] if isinstance(value, dict) and value.keys() == {"status", "headers", "body"} else value
    )


def brief(value: Any) -> str:
    """Write a JSON value in a line: its leaves by name, the first of them."""
    if isinstance(value, str):
        text = re.sub(
            r"\s+", " ", re.sub(r"<(script|style)\b.*?</\1>|<[^>]{0,500}>", " ", value, flags=re.S | re.I)
        ).strip()
        return text[:SHORT] + ("…" if len(text) > SHORT else "") if text else "(empty)"
    if isinstance(value, dict | list):
        leaves = _leaves(value, "", 0)
        shown = ", ".join(f"{name} {leaf}" if name else leaf for name, leaf in leaves[:12])
        return (shown[:SHORT] + ("…" if len(shown) > SHORT or len(leaves) > 12 else "")) or "(empty)"
    return number(value) if isinstance(value, int | float) else "(nothing)"


def number(value: Any) -> str:
    """Write a number as people do: no .0, and 0.3 for 0.1 + 0.2."""
    if isinstance(value, bool) or not isinstance(value, float):
        return json.dumps(value)
    short = f"{value:.12g}"
    return short if "e" in short or "." in short else short.removesuffix(".0")


def _calculation(arguments: dict[str, Any], value: dict[str, Any]) -> str | None:
    return f"{arguments.get('expression')} = {number(value['result'])}" if "result" in value else None


def _date_time(arguments: dict[str, Any], value: dict[str, Any]) -> str | None:
    operation, zone = value.get("operation", arguments.get("operation")), value.get("timezone")
    if operation == "now":
        return f"It is {value.get('weekday')}, {value.get('date')}, {value.get('time')} ({zone})."
    if operation == "difference":
        pieces = [(value.get(unit, 0), unit) for unit in ("days", "hours", "minutes")]
        length = ", ".join(_count(abs(n), unit) for n, unit in pieces if n) or "0 days"
        return f"Between {value.get('date')} and {value.get('other')}: {length}."
    if operation == "weekday":
        return f"{value.get('date')} is a {value.get('weekday')}."
    if operation == "add":
        return f"{_when(value.get('result'))}, a {value.get('weekday')}."
    if operation == "convert":
        return f"{_when(value.get('date'))} is {_when(value.get('result'))} in {zone}."
    return None


def _http(arguments: dict[str, Any], value: dict[str, Any]) -> str:
    status = next((value[key] for key in ("status", "statusCode", "status_code") if key in value), None)
    body = next((value[key] for key in ("json", "body", "data", "text") if value.get(key) is not None), None)
    body = _read(body) if isinstance(body, str) else body
    answered = f"answered {status}" if status is not None else "answered"
    extract = brief(body if body is not None else {})
    return f"{arguments.get('method', 'GET')} {arguments.get('url')} {answered}: {extract}"


def _result(arguments: dict[str, Any], value: dict[str, Any]) -> str | None:
    return brief(value["result"]) if "result" in value else None


def _saved(arguments: dict[str, Any], value: dict[str, Any]) -> str:
    decision = str(value.get("decision", "")).lower()
    content = str(arguments.get("content", "")).rstrip(".")
    if decision.startswith("dupl"):
        return f"I already knew that: {content}."
    if decision.startswith("rej"):
        return f"I did not save that: {brief(value.get('reason') or value.get('why') or value)}"
    return f"I will remember: {content}."


def _leaves(value: Any, name: str, depth: int) -> list[tuple[str, str]]:
    if depth > 4:
        return []
    if isinstance(value, dict):
        found = []
        for key, item in list(value.items())[:20]:
            found += _leaves(item, f"{name} {key}".strip(), depth + 1)
        return found
    if isinstance(value, list):
        return [leaf for item in value[:5] for leaf in _leaves(item, name, depth + 1)]
    return [(name, value[:200] if isinstance(value, str) else number(value))]


def _reason(value: Any) -> str:
    if isinstance(value, dict):
        for key in ("error", "message", "detail", "reason"):
            if value.get(key):
                return _reason(value[key])
    return brief(value)


def _read(content: Any) -> Any:
    try:
        return json.loads(content)
    except (ValueError, TypeError, RecursionError):
        return content


def _when(iso: Any) -> str:
    try:
        moment = datetime.fromisoformat(str(iso))
    except ValueError:
        return str(iso)
    return moment.strftime("%Y-%m-%d %H:%M") if "T" in str(iso) else str(iso)


def _count(n: Any, unit: str) -> str:
    return f"{n} {unit[:-1] if n == 1 else unit}"
