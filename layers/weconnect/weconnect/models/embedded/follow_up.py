"""References to earlier turns: the last result, a value that was missing, and the ids of calls."""

import re
from typing import NamedTuple

from weconnect.models.embedded.sentences import split_words
from weconnect.models.messages import Message, ToolCall, ToolSpec

NEEDS = re.compile(r"^To use (?P<tool>\S+) I need: (?P<names>[^.]+)\.", re.MULTILINE)
RESULT = r"(?:the\s+|that\s+|this\s+)?(?:result|answer|outcome|total|it|that|this)"
LEAD = (
    r"(?:(?:and|now|then|ok|what(?:'s|\s+is)?|how\s+about|what\s+about)\s+)*"
    r"(?:(?:that|it|this|the\s+result)\s+)?"
)
SIGN = r"(?:times|multiplied\s+by|plus|minus|divided\s+by|over|to\s+the\s+power|squared|cubed|[-+*/x×÷^])"
CONTINUED = re.compile(rf"^\W*{LEAD}(?P<rest>{SIGN}(?:\s|(?=\d)|$).*)$", re.IGNORECASE | re.DOTALL)
ON_RESULT = re.compile(
    rf"\b(?P<verb>multiply|divide|double|triple|halve|square|add|subtract)\b(?P<middle>.*?\b){RESULT}\b",
    re.IGNORECASE,
)


class FilledGap(NamedTuple):
    """An earlier request, completed with the value that was missing."""

    tool: ToolSpec
    text: str


def find_last_number(earlier: list[Message]) -> str | None:
    """Return the number that was computed last in the earlier messages."""
    for message in reversed(earlier):
        numbers = re.findall(r"= (-?\d+(?:\.\d+)?)", message.content) if message.role == "assistant" else []
        if numbers:
            return str(numbers[-1])
    return None


def insert_last_result(text: str, number: str | None) -> str:
    """Return a text such as "and times 2?" or "double that" with the number that was computed last."""
    if number is None:
        return text
    # A sign at the start may belong to a negative number: "-4 + 10" refers to no result.
    continued = None if re.match(r"\s*-\s*\d.*[-+*/]", text) else CONTINUED.match(text)
    if continued:
        return f"{number} {continued['rest']}"
    return ON_RESULT.sub(rf"\g<verb>\g<middle>{number}", text)


def fill_gap(text: str, earlier: list[Message], tools: list[ToolSpec]) -> FilledGap | None:
    """Return the earlier request with `text` as the value that "To use get_weather I need: city." asked for."""
    last_reply = next((message.content for message in reversed(earlier) if message.role == "assistant"), "")
    match = NEEDS.search(last_reply)
    tool = next((tool for tool in tools if match and tool.name == match["tool"]), None)
    if (
        not match
        or not tool
        or "," in match["names"]
        or not 1 <= len(split_words(text)) <= 6
        or text.rstrip().endswith("?")
    ):
        return None
    request = next((message.content for message in reversed(earlier) if message.role == "user"), "")
    value = text.strip(" .!").replace('"', "")
    return FilledGap(tool, f'{request} {match["names"]}="{value}"')


def number_calls(calls: list[ToolCall], messages: list[Message]) -> list[ToolCall]:
    """Return the calls with ids that continue those of the conversation, so that each is unique."""
    used_ids = {call.id for message in messages for call in message.tool_calls}
    number = sum(len(message.tool_calls) for message in messages)
    result = []
    for call in calls:
        number += 1
        while f"call_{number}" in used_ids:
            number += 1
        result.append(call.model_copy(update={"id": f"call_{number}"}))
    return result
