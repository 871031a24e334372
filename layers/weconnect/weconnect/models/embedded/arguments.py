"""Arguments of a tool, read from a sentence by its JSON Schema. Every value is taken from the text; none is made up."""

import re
from datetime import datetime
from typing import Any, NamedTuple

from weconnect.models.embedded import phrases
from weconnect.models.embedded.phrases import DATE_WORDS, ID_WORDS
from weconnect.models.embedded.sentences import QUOTED, extract_quoted, replace_number_words, split_words
from weconnect.models.embedded.tool_schemas import (
    parse_first_object,
    read_properties,
    read_required,
    read_type,
)
from weconnect.models.messages import ToolSpec

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w]|\.\d|-\d)")


class FilledArguments(NamedTuple):
    """The arguments that were read, and the names of required parameters without a value."""

    arguments: dict[str, Any]
    missing: list[str]


def fill_arguments(tool: ToolSpec, text: str, now: datetime) -> FilledArguments:
    """Return the tool's arguments as far as the text contains them."""
    schema = tool.input_schema
    properties = read_properties(schema)
    required = read_required(schema)
    written = parse_first_object(text)
    if written and set(written) <= set(properties) and set(required) <= set(written):
        return FilledArguments(written, [])
    wanted = required or [key for key, value in properties.items() if read_type(value) == "string"][:1]
    rest, arguments = text, {}
    explicit = [key for key in properties if _find_named_value(key, text) is not None]
    # Named values are read first, then values with a recognizable form; free text takes the rest.
    for key in sorted(
        properties,
        key=lambda key: (key not in explicit, _looseness(key, properties[key]), key not in required),
    ):
        shape = properties[key]
        read = _find_value(key, shape if isinstance(shape, dict) else {}, rest, key in wanted, tool, now)
        if read is not None:
            arguments[key], rest = read
    arguments = {key: arguments[key] for key in properties if key in arguments}
    return FilledArguments(arguments, [key for key in required if key not in arguments])


def _looseness(key: str, shape: Any) -> int:
    """Return a rank for a parameter: the higher, the more easily it would take the words of another one."""
    names, kind = set(split_words(key)), read_type(shape)
    if isinstance(shape, dict) and ("enum" in shape or "format" in shape):
        return 0
    if names & (DATE_WORDS | {"email", "url", "phone", "mobile"}):
        return 1
    if kind in ("integer", "number", "boolean"):
        return 2
    return 3 if names & {"from", "to"} else 4 if names & ID_WORDS else 5


def _find_value(
    key: str, shape: dict[str, Any], text: str, wanted: bool, tool: ToolSpec, now: datetime
) -> tuple[Any, str] | None:
    """Return a parameter's value and the text without it; None without one. An unwanted one must be unambiguous."""
    if "const" in shape:
        return shape["const"], text
    named = _find_named_value(key, text)
    if named:
        value = _typed(named[0], shape)
        if value is not None:
            return value, named[1]
    if isinstance(shape.get("enum"), list):
        return _find_choice(shape["enum"], text)
    kind = read_type(shape)
    if kind in ("integer", "number"):
        return _find_number(key, kind, text, wanted, tool)
    if kind == "boolean":
        return _find_flag(key, text)
    if kind == "array":
        return _find_array(key, shape, text, wanted)
    return phrases.find_text_value(key, shape, text, wanted, tool, now) if kind == "string" else None


def _find_named_value(key: str, text: str) -> tuple[str, str] | None:
    """Return the value in `key=value`, `key: value`, `key is value`, or the quoted value after the key."""
    spoken = r"[\s_-]*".join(
        re.escape(word) for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+|[^\W_]+", key)
    ) or re.escape(key)
    value = r"(\"[^\"]*\"|“[^”]*”|'[^']*'|\[[^\]]*\]|\{[^{}]*\}"
    for form in (
        rf"(?<![\w?&/]){spoken}\s*=\s*{value}|[^\s,;]+)",
        rf"(?<!\w){spoken}\s*:\s*{value}|[^\n;]+?(?=\s*,\s*\w+\s*[:=]|\s+(?:and\s+)?\w+\s*[:=]|[.?!]?\s*$|[\n;]))",
        rf"(?<!\w){spoken}\s+(?:is|as|of|to|set\s+to)?\s*{value})",
    ):
        match = re.search(form, text, re.IGNORECASE)
        if match and match[1].strip():
            return match[1].strip(), f"{text[: match.start()]} , {text[match.end() :]}"
    return None


def _typed(raw: str, shape: dict[str, Any]) -> Any:
    """Return a written value in the type of the schema; None when that is impossible."""
    bare = raw.strip().strip("\"“”'").strip()
    kind = read_type(shape)
    if isinstance(shape.get("enum"), list):
        return next((item for item in shape["enum"] if str(item).lower() == bare.lower()), None)
    if kind in ("integer", "number"):
        match = re.match(r"-?[\d,]*\.?\d+", bare)
        return _parse_number(match.group(), kind) if match else None
    if kind == "boolean":
        return {
            "true": True,
            "yes": True,
            "on": True,
            "1": True,
            "false": False,
            "no": False,
            "off": False,
            "0": False,
        }.get(bare.lower())
    if kind == "array":
        return _parse_items(raw, shape)
    if kind == "object" or (kind is None and raw.startswith(("{", "["))):
        return parse_first_object(raw)
    return bare.rstrip(".,;!?") or None


def _parse_items(raw: str, shape: dict[str, Any]) -> list[Any] | None:
    """Return the items of a written list such as "a, b and c"; None when one has the wrong type, or without any."""
    inside = raw.strip().strip("[]")
    items = shape.get("items") if isinstance(shape.get("items"), dict) else {}
    pieces = extract_quoted(inside) or [
        piece for piece in re.split(r"\s*(?:,|;|\band\b|&)\s*", inside) if piece.strip()
    ]
    values = [_typed(piece, items or {"type": "string"}) for piece in pieces]
    return values if values and None not in values else None


def _find_choice(enum: list[Any], text: str) -> tuple[Any, str] | None:
    """Return the first value of the enum that the text contains, and the text without it; None without one."""
    for item in enum:
        match = (
            isinstance(item, str)
            and item
            and re.search(rf"(?<!\w){re.escape(item)}(?!\w)", text, re.IGNORECASE)
        )
        if match:
            return item, f"{text[: match.start()]} {text[match.end() :]}"
    return None


def _find_number(key: str, kind: str, text: str, wanted: bool, tool: ToolSpec) -> tuple[Any, str] | None:
    """Return the number next to the parameter's name ("3 days", "under 50" for a maximum), else the first."""
    digits = replace_number_words(text)
    own = [word for word in split_words(key) if word not in ID_WORDS | {"max", "min"}]
    # "3 dice" is the count of roll_dice.
    own += split_words(tool.name) if set(split_words(key)) & {"count", "quantity", "number"} else []
    names = "|".join(re.escape(word) + "s?" for word in own) or r"(?!)"
    limits = (
        r"top|first|last|up\s+to|at\s+most"
        if re.search(r"limit|count|size|^n$", key, re.IGNORECASE)
        else r"(?!)"
    )
    if re.match(r"max", key, re.IGNORECASE):
        limits = r"under|below|up\s+to|at\s+most|less\s+than|cheaper\s+than|max(?:imum)?|no\s+more\s+than"
    if re.match(r"min", key, re.IGNORECASE):
        limits = r"over|above|at\s+least|more\s+than|min(?:imum)?"
    near = re.search(
        rf"\b(?:{names}|{limits})\s*(?:(?:of|is|number|id|no\.?)\s+)?[#$€£]?({NUMBER.pattern})|({NUMBER.pattern})\s*-?(?:{names})\b",
        digits, re.IGNORECASE,
    )  # fmt: skip
    match = near or (NUMBER.search(digits) if wanted else None)
    if not match:
        return None
    raw = next((group for group in match.groups() if group), "") if near else match.group()
    value = _parse_number(raw, kind)
    return None if value is None else (value, f"{digits[: match.start()]} , {digits[match.end() :]}")


def _parse_number(raw: str, kind: str) -> int | float | None:
    """Return a written number such as "1,200"; None for a fraction as an "integer", and for other text."""
    try:
        value = float(raw.replace(",", ""))
        whole = int(raw.replace(",", "")) if re.fullmatch(r"-?[\d,]+", raw) else value
    except (ValueError, OverflowError):
        return None
    if kind == "integer" and not isinstance(whole, int):
        return None
    return whole if abs(value) != float("inf") else None


def _find_flag(key: str, text: str) -> tuple[bool, str] | None:
    """Return whether the text affirms or negates the parameter's name, and the text; None when it lacks the name."""
    names = [
        word for word in split_words(key) if word not in {"is", "has", "include", "with", "only", "should"}
    ]
    match = (
        re.search(r"\b" + r"[\s_-]+".join(map(re.escape, names)) + r"\b", text, re.IGNORECASE)
        if names
        else None
    )
    if not match:
        return None
    negated = re.search(
        r"\b(?:no|not|without|don't|never|non)\W+(?:\w+\W+)?$", text[: match.start()], re.IGNORECASE
    )
    return not negated, text


def _find_array(key: str, shape: dict[str, Any], text: str, wanted: bool) -> tuple[Any, str] | None:
    """Return the list for an array parameter and the text without it; an unwanted one must be named."""
    items = shape.get("items") if isinstance(shape.get("items"), dict) else {}
    spoken = re.escape(key)
    match = re.search(rf"\b{spoken}\s+((?:[\w-]+)(?:(?:\s*,\s*|\s+and\s+)[\w-]+)*)", text, re.IGNORECASE)
    if match and (values := _parse_items(match[1], shape)):
        return values, f"{text[: match.start()]} {text[match.end() :]}"
    if not wanted:
        return None
    if read_type(items or {}) in ("integer", "number"):
        numbers = [
            _parse_number(raw, read_type(items or {}) or "")
            for raw in NUMBER.findall(replace_number_words(text))
        ]
        return ([n for n in numbers if n is not None], "") if numbers else None
    if values := extract_quoted(text):
        return values, QUOTED.sub(" ", text)
    match = re.search(r"\b(?:for|of|with|to)\s+([\w-]+(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+)[\w-]+)*)", text)
    return (_parse_items(match[1], shape), "") if match else None
