"""Requests for the tool http_request: address, method, headers and body."""

import json
import re
from typing import Any
from urllib.parse import urlencode

from weconnect.models.embedded.phrases import URL

PAIR = re.compile(r"(?<![\w/?&.])([A-Za-z_][\w-]*)\s*=\s*(\"[^\"]*\"|'[^']*'|“[^”]*”|\[[^\]]*\]|[^\s,;]+)")
HOST = re.compile(
    r"(?<![\w@./])(?:www\.)?(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|app|ai|co|de|fr|uk|eu|info|gov|edu)(?:/[^\s,;?!]*)?(?![\w@])",
    re.IGNORECASE,
)
GO = re.compile(
    r"\b(get|fetch|open|download|request|call|visit|ping|read|load|post|put|patch|delete|check|browse)\b",
    re.I,
)
METHODS = {"POST": r"post|submit|send", "PUT": r"put", "PATCH": r"patch", "DELETE": r"delete|remove"}
HEADER = re.compile(
    r"\bheaders?\s+([A-Za-z][\w-]*)\s*[:=]\s*(\"[^\"]*\"|[^\s,;]+(?:\s+[A-Za-z0-9._~+/=-]{12,})?)", re.I
)


def read_http_request(text: str) -> dict[str, Any] | None:
    """Return the arguments of http_request; None when the text has no address."""
    match = URL.search(text)
    url = match.group() if match else None
    if not match and GO.search(text) and (match := HOST.search(text)):
        url = f"https://{match.group().rstrip('.')}"
    if not match or not url:
        return None
    rest = f"{text[: match.start()]} {text[match.end() :]}"
    method = _find_method(rest)
    arguments: dict[str, Any] = {"url": url, "method": method}
    headers = {name: value.strip('"') for name, value in HEADER.findall(rest)}
    rest = HEADER.sub(" ", rest)
    if headers:
        arguments["headers"] = headers
    body = _find_body(rest)
    if body and method in ("POST", "PUT", "PATCH"):
        arguments["body"] = body
    elif body and all(not isinstance(value, dict | list) for value in body.values()):
        arguments["url"] = f"{url}{'&' if '?' in url else '?'}{urlencode(body)}"
    return arguments


def _find_method(text: str) -> str:
    """Return the method: one written in capitals, else that of the first verb, else GET."""
    written = re.search(r"\b(GET|POST|PUT|PATCH|DELETE)\b", text)
    if written:
        return written[1]
    matches = [
        (m.start(), name)
        for name, verbs in METHODS.items()
        if (m := re.search(rf"\b(?:{verbs})\b", text, re.I))
    ]
    reading = re.search(r"\b(?:get|fetch)\b", text, re.I)
    if matches and not (reading and reading.start() < min(matches)[0]):
        # "send a put request" is a PUT: "send" counts only without another verb.
        exact = [name for _, name in sorted(matches) if re.search(rf"\b{name}\b", text, re.I)]
        return exact[0] if exact else min(matches)[1]
    return "GET"


def _find_body(text: str) -> dict[str, Any] | None:
    """Return the JSON object in the text, or else its `key=value` pairs; None without either."""
    start = text.find("{")
    if start >= 0:
        try:
            value, _ = json.JSONDecoder().raw_decode(text[start:])
            return value if isinstance(value, dict) else None
        except (ValueError, RecursionError):
            return None
    return {key: _parse_value(value) for key, value in PAIR.findall(text)} or None


def _parse_value(raw: str) -> Any:
    """Return a written value as JSON, or as text when it is not JSON."""
    try:
        value = json.loads(raw, parse_constant=str)
    except (ValueError, RecursionError):
        return raw.strip("\"'“”")
    return raw if isinstance(value, float) and value in (float("inf"), float("-inf")) else value
