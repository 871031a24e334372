"""Requests for the tools `text` and `json_query` that name an operation and contain its input."""

import json
import re
from typing import Any

from weconnect.models.embedded.sentences import QUOTED, extract_quoted

SEPARATORS = {
    "comma": ",",
    "commas": ",",
    "space": " ",
    "spaces": " ",
    "semicolon": ";",
    "semicolons": ";",
    "colon": ":",
    "dash": "-",
    "dashes": "-",
    "hyphen": "-",
    "hyphens": "-",
    "pipe": "|",
    "pipes": "|",
    "slash": "/",
    "slashes": "/",
    "newline": "\n",
    "newlines": "\n",
    "line": "\n",
    "tab": "\t",
}
WORDS = "|".join(SEPARATORS)
CASE = r"(?:{0}\s*-?\s*case|{0}\s+letters)"
UPPER = rf"(?:{CASE.format('upper')}|(?:all\s+)?caps|capitals|capital\s+letters)"
LOWER = rf"(?:{CASE.format('lower')}|small\s+letters)"
URL = r"(?:url|uri|percent)"

# Phrases for operations on one text, in the order in which they are tried.
OPERATION_PATTERNS = [
    ("base64_decode", r"\bbase\s?-?64[\s-]+decod|\bdecode\b.*\bbase\s?-?64\b|\bfrom\s+base\s?-?64\b"),
    (
        "base64_encode",
        r"\bbase\s?-?64[\s-]+encod|\bencode\b.*\bbase\s?-?64\b|\b(?:in|to|into|as)\s+base\s?-?64\b",
    ),
    ("url_decode", rf"\b{URL}[\s-]*decod|\bdecode\b.*\b{URL}\b"),
    ("url_encode", rf"\b{URL}[\s-]*(?:encod|escap)|\bencode\b.*\bfor\s+(?:an?\s+)?{URL}\b"),
    ("sha256", r"\bsha\s?-?256\b|\bhash\b"),
    ("slugify", r"\bslugify\b|\bslug\b"),
    ("count_words", r"\b(?:how\s+many|count(?:\s+up)?(?:\s+the)?|number\s+of)\s+words\b|\bword\s+count\b"),
    (
        "length",
        r"\b(?:how\s+many|count(?:\s+the)?|number\s+of)\s+(?:characters|letters|chars)\b|\bhow\s+long\s+is\b"
        r"|\blength\s+of\b",
    ),
    ("trim", r"\b(?:trim|strip)\b|\bremove\b.*\b(?:white\s*)?spaces?\b.*\b(?:around|from|of)\b"),
    ("upper", rf"\b{UPPER}\b|\bupcase\b"),
    ("lower", rf"\b{LOWER}\b|\bdowncase\b"),
]
PHRASED = re.compile(
    rf"^\W*(?:please\s+)?(?:convert|turn|change|make|write|put|transform)\s+(?P<text>\S.*?)\s+(?:to|in|into|all)\s+"
    rf"(?:{UPPER}|{LOWER})\W*$",
    re.IGNORECASE | re.DOTALL,
)
AFTER_COLON = re.compile(r":\s+(?P<text>\S.*)$", re.DOTALL)
SPLIT = re.compile(
    rf"\bsplit\b.*?\b(?:by|on|at|with|along)\s+(?:the\s+|a\s+|every\s+)?(?:(?P<word>{WORDS})\b|\W*\Z)",
    re.IGNORECASE,
)
JOIN = re.compile(
    rf"\b(?:join|concatenate|combine)\b(?:.*\b(?:with|by|using)\s+(?:an?\s+)?(?P<word>{WORDS})\b)?",
    re.IGNORECASE,
)
REPLACE = re.compile(r"\breplace\b", re.IGNORECASE)
FIND = re.compile(r"\b(?:find|where\s+is|locate|position\s+of|index\s+of)\b", re.IGNORECASE)
LETTERS = r"(?:characters|letters|chars)"
EDGE = re.compile(rf"\b(?P<edge>first|last)\s+(?P<count>\d{{1,5}})\s+{LETTERS}\s+(?:of|in|from)\b", re.I)
BETWEEN = re.compile(
    rf"\b{LETTERS}\s+(?P<start>\d{{1,5}})\s*(?:to|-|–|through)\s*(?P<end>\d{{1,5}})\s+(?:of|in|from)\b", re.I
)
QUERY = re.compile(r"\b(?:jsonata|json_query|query|evaluate|extract|select|pick)\b", re.IGNORECASE)
START = re.compile(r"(?:^|\s)[{\[]")
PATH = re.compile(
    r"\b(?:jsonata(?:\s+expression)?|query|evaluate|extract|select|pick|with|for)\s+(?:the\s+)?"
    r"(?P<path>\$?[\w$]+(?:[.(\[][^\s,;?!]*)?)(?=\s|$)",
    re.IGNORECASE,
)
FILLERS = frozenset(
    {"the", "a", "jsonata", "json", "expression", "this", "that", "it", "data", "with", "for", "from"}
)


def read_text_operation(request: str) -> dict[str, Any] | None:
    """Return the arguments of the tool `text`; None when the operation or its input is missing."""
    texts = extract_quoted(request)
    bare = QUOTED.sub(" ", request)
    arguments = _read_with_parameters(bare, texts)
    if arguments:
        return arguments
    operation = next(
        (name for name, asks in OPERATION_PATTERNS if re.search(asks, bare, re.IGNORECASE)), None
    )
    if operation is None:
        return None
    if len(texts) == 1:
        return {"operation": operation, "text": texts[0]}
    written = None if texts else AFTER_COLON.search(request) or PHRASED.match(request)
    return {"operation": operation, "text": written["text"].strip()} if written else None


def _read_with_parameters(bare: str, texts: list[str]) -> dict[str, Any] | None:
    """Return the arguments of an operation with more parameters than a text: a second text, or positions in it."""
    if REPLACE.search(bare) and len(texts) == 3 and re.search(r"\bwith\b.*\bin\b", bare, re.I | re.S):
        return {"operation": "replace", "text": texts[2], "search": texts[0], "replacement": texts[1]}
    if match := JOIN.search(bare):
        separator = SEPARATORS[match["word"].lower()] if match["word"] else None
        if separator is None and len(texts) > 2 and re.search(r"\b(?:with|by|using)\s*\W*$", bare, re.I):
            *texts, separator = texts
        if len(texts) > 1:
            return {"operation": "join", "parts": texts, "separator": separator or ""}
    if (match := SPLIT.search(bare)) and texts:
        separator = (
            SEPARATORS[match["word"].lower()] if match["word"] else texts[1] if len(texts) == 2 else None
        )
        if separator is not None:
            return {"operation": "split", "text": texts[0], "separator": separator}
    if FIND.search(bare) and len(texts) == 2 and re.search(r"\b(?:in|within)\b", bare, re.I):
        return {"operation": "find", "text": texts[1], "search": texts[0]}
    if len(texts) == 1 and (match := EDGE.search(bare)):
        count = int(match["count"])
        bounds = {"end": count} if match["edge"].lower() == "first" else {"start": -count}
        return {"operation": "slice", "text": texts[0], **(bounds if count else {"end": 0})}
    if len(texts) == 1 and (match := BETWEEN.search(bare)):
        start, end = max(1, int(match["start"])) - 1, int(match["end"])
        return {"operation": "slice", "text": texts[0], "start": start, "end": end}
    return None


def read_json_query(request: str) -> dict[str, Any] | None:
    """Return the arguments of `json_query`: JSON in the request, and an expression next to it."""
    starts = [match.end() - 1 for match in START.finditer(request)] if QUERY.search(request) else []
    for start in starts:
        try:
            data, length = json.JSONDecoder(parse_constant=_refuse).raw_decode(request[start:])
        except (ValueError, RecursionError):
            continue
        rest = f"{request[:start]} {request[start + length :]}"
        paths = [match["path"].rstrip(".") for match in PATH.finditer(rest)]
        expressions = [*extract_quoted(rest), *(path for path in paths if path.lower() not in FILLERS)]
        return {"expression": expressions[0], "data": data} if expressions else None
    return None


def _refuse(constant: str) -> Any:
    """Raise ValueError for NaN and Infinity, which `json` would accept."""
    raise ValueError(f"{constant} is not JSON")
