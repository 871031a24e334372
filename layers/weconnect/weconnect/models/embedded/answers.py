"""Sentences about the results of tools."""

import json
import re
from datetime import datetime
from typing import Any

from weconnect.models.embedded import memory_requests
from weconnect.models.messages import Message, ToolCall

MAX_CHARACTERS = 500
MAX_READ = 100_000  # characters of a text, of which markup and blanks do not count


def describe_result(call: ToolCall, result: Message, question: str) -> str:
    """Return a sentence about the result of one call; `result.content` is JSON text."""
    value = _parse(result.content)
    if result.is_error:
        return f"The tool {call.name} failed: {_find_reason(value)}"
    describers = {
        "calculator": _describe_calculation,
        "date_time": _describe_date,
        "http_request": _describe_response,
        "json_query": _describe_value,
        "memory_save": _describe_save,
        "text": _describe_value,
    }
    if call.name == "memory_search":
        return memory_requests.answer_from_hits(question, value)
    describe = describers.get(call.name)
    description = describe(call.arguments, value) if describe and isinstance(value, dict) else None
    return description or f"{call.name}: {summarize_value(_read_body(value))}"


def _read_body(value: Any) -> Any:
    """Return the body in the result of a declared HTTP tool; any other value unchanged."""
    return (
        value["body"] if isinstance(value, dict) and value.keys() == {"status", "headers", "body"} else value
    )


def summarize_value(value: Any) -> str:
    """Return a JSON value as one line: the first of its leaves, by name."""
    if isinstance(value, str):
        plain = re.sub(
            r"<(script|style)\b.*?(?:</\1>|\Z)|<[^>]{0,500}>", " ", value[:MAX_READ], flags=re.S | re.I
        )
        text = " ".join(plain.split())
        return text[:MAX_CHARACTERS] + ("…" if len(text) > MAX_CHARACTERS else "") if text else "(empty)"
    if isinstance(value, dict | list):
        leaves = _collect_leaves(value, "", 0)
        shown = ", ".join(f"{name} {leaf}" if name else leaf for name, leaf in leaves[:12])
        return (
            shown[:MAX_CHARACTERS] + ("…" if len(shown) > MAX_CHARACTERS or len(leaves) > 12 else "")
        ) or "(empty)"
    return format_number(value) if isinstance(value, int | float) else "(nothing)"


def format_number(value: Any) -> str:
    """Return a number as people write it: no .0, and 0.3 for 0.1 + 0.2."""
    if isinstance(value, bool) or not isinstance(value, float):
        return json.dumps(value)
    short = f"{value:.12g}"
    return short if "e" in short or "." in short else short.removesuffix(".0")


def _describe_calculation(arguments: dict[str, Any], value: dict[str, Any]) -> str | None:
    """Return `17 * 23 = 391` for a result of the calculator; None without a result."""
    return f"{arguments.get('expression')} = {format_number(value['result'])}" if "result" in value else None


def _describe_date(arguments: dict[str, Any], value: dict[str, Any]) -> str | None:
    """Return a sentence about a result of date_time; None for an unknown operation."""
    operation, zone = value.get("operation", arguments.get("operation")), value.get("timezone")
    if operation == "now":
        return f"It is {value.get('weekday')}, {value.get('date')}, {value.get('time')} ({zone})."
    if operation == "difference":
        pieces = [(value.get(unit, 0), unit) for unit in ("days", "hours", "minutes")]
        length = ", ".join(_format_count(abs(n), unit) for n, unit in pieces if n) or "0 days"
        return f"Between {value.get('date')} and {value.get('other')}: {length}."
    if operation == "weekday":
        return f"{value.get('date')} is a {value.get('weekday')}."
    if operation == "add":
        return f"{_format_time(value.get('result'))}, a {value.get('weekday')}."
    if operation == "convert":
        return f"{_format_time(value.get('date'))} is {_format_time(value.get('result'))} in {zone}."
    return None


def _describe_response(arguments: dict[str, Any], value: dict[str, Any]) -> str:
    """Return `METHOD url answered STATUS: …` for the result of an HTTP request, with its body as one line."""
    status = next((value[key] for key in ("status", "statusCode", "status_code") if key in value), None)
    body = next((value[key] for key in ("json", "body", "data", "text") if value.get(key) is not None), None)
    body = _parse(body) if isinstance(body, str) else body
    answered = f"answered {status}" if status is not None else "answered"
    extract = summarize_value(body if body is not None else {})
    return f"{arguments.get('method', 'GET')} {arguments.get('url')} {answered}: {extract}"


def _describe_value(arguments: dict[str, Any], value: dict[str, Any]) -> str | None:
    """Return a tool's `result` as one line; None without one."""
    return summarize_value(value["result"]) if "result" in value else None


def _describe_save(arguments: dict[str, Any], value: dict[str, Any]) -> str:
    """Return a sentence about a result of memory_save: saved, a duplicate, or rejected with the reason."""
    decision = str(value.get("decision", "")).lower()
    content = str(arguments.get("content", "")).rstrip(".")
    if decision.startswith("dupl"):
        return f"I already knew that: {content}."
    if decision.startswith("rej"):
        return f"I did not save that: {summarize_value(value.get('reason') or value.get('why') or value)}"
    return f"I will remember: {content}."


def _collect_leaves(value: Any, name: str, depth: int) -> list[tuple[str, str]]:
    """Return (path of keys separated by spaces, text) of a value's leaves, at most 5 levels deep."""
    if depth > 4:
        return []
    if isinstance(value, dict):
        leaves = []
        for key, item in list(value.items())[:20]:
            leaves += _collect_leaves(item, f"{name} {key}".strip(), depth + 1)
        return leaves
    if isinstance(value, list):
        return [leaf for item in value[:5] for leaf in _collect_leaves(item, name, depth + 1)]
    return [(name, value[:200] if isinstance(value, str) else format_number(value))]


def _find_reason(value: Any) -> str:
    """Return the innermost error text in a failed call's result, or else the result as one line."""
    if isinstance(value, dict):
        for key in ("error", "message", "detail", "reason"):
            if value.get(key):
                return _find_reason(value[key])
    return summarize_value(value)


def _parse(content: Any) -> Any:
    """Return the value of JSON text; anything else unchanged."""
    try:
        return json.loads(content)
    except (ValueError, TypeError, RecursionError):
        return content


def _format_time(iso: Any) -> str:
    """Return an ISO 8601 date-time as `2026-03-01 15:00`; anything else unchanged."""
    try:
        moment = datetime.fromisoformat(str(iso))
    except ValueError:
        return str(iso)
    return moment.strftime("%Y-%m-%d %H:%M") if "T" in str(iso) else str(iso)


def _format_count(n: Any, unit: str) -> str:
    """Return `1 day`, `2 days`; the unit is in the plural."""
    return f"{n} {unit[:-1] if n == 1 else unit}"
