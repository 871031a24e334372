"""What a request owes to the turns before it: the last result, a missing value, fresh call ids."""

import re
from typing import NamedTuple

from weconnect.agents.embedded_model.sentences import words
from weconnect.agents.models.messages import Message, ToolCall, ToolSpec

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


class Gap(NamedTuple):
    """A request of before, with the value that was missing written into it."""

    tool: ToolSpec
    text: str


def last_number(before: list[Message]) -> str | None:
    """Find the last number that was computed, in the answers before."""
    for message in reversed(before):
        found = re.findall(r"= (-?\d+(?:\.\d+)?)", message.content) if message.role == "assistant" else []
        if found:
            return str(found[-1])
    return None


def with_last_result(part: str, number: str | None) -> str:
    """Read "and times 2?" and "double that" as about the number that was last computed."""
    if number is None:
        return part
    # A sign at the start may be a negative number's: "-4 + 10" stands for itself.
    continued = None if re.match(r"\s*-\s*\d.*[-+*/]", part) else CONTINUED.match(part)
    if continued:
        return f"{number} {continued['rest']}"
    return ON_RESULT.sub(rf"\g<verb>\g<middle>{number}", part)


def filled_gap(text: str, before: list[Message], tools: list[ToolSpec]) -> Gap | None:
    """Take the answer to "To use get_weather I need: city." as that parameter's value."""
    ours = next((message.content for message in reversed(before) if message.role == "assistant"), "")
    match = NEEDS.search(ours)
    tool = next((tool for tool in tools if match and tool.name == match["tool"]), None)
    if (
        not match
        or not tool
        or "," in match["names"]
        or not 1 <= len(words(text)) <= 6
        or text.rstrip().endswith("?")
    ):
        return None
    asked = next((message.content for message in reversed(before) if message.role == "user"), "")
    value = text.strip(" .!").replace('"', "")
    return Gap(tool, f'{asked} {match["names"]}="{value}"')


def numbered(calls: list[ToolCall], messages: list[Message]) -> list[ToolCall]:
    """Number the calls on from the conversation's, so that no id comes twice."""
    taken = {call.id for message in messages for call in message.tool_calls}
    number = sum(len(message.tool_calls) for message in messages)
    found = []
    for call in calls:
        number += 1
        while f"call_{number}" in taken:
            number += 1
        found.append(call.model_copy(update={"id": f"call_{number}"}))
    return found
