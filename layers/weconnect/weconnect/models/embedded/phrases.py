"""Values of text parameters, found by their form, by the preposition before them, or as the remaining text."""

import re
from datetime import datetime
from typing import Any

from weconnect.models.embedded import dates
from weconnect.models.embedded.sentences import (
    QUOTED,
    STOP_WORDS,
    replace_number_words,
    split_words,
    stem,
    to_word_set,
)
from weconnect.models.messages import ToolSpec

URL = re.compile(r"\bhttps?://[^\s<>\"'`{}|\\^]*[^\s<>\"'`{}|\\^.,;:!?)\]]", re.IGNORECASE)
EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
PHONE = re.compile(r"\+?\d[\d\s()-]{5,18}\d")
CODE = re.compile(r"#?\b((?:[A-Za-z]+[-_]?)?\d[\w-]*|[A-Z]{2,}[-_]\w+)\b")
CAPITALS = re.compile(r"\b([A-Z]{2,})\b")
ENDINGS = "and|with|please|for|in|at|to|from|on|today|now|tomorrow|right|where|under|below|of|about|as"
STOPS = rf"(?=\s+(?:{ENDINGS})\b|\s*[,;?!\n]|\.(?:\s|$)|\s*$)"
PLACE_WORDS = to_word_set("city location place country town region address where destination area")
TOPIC_WORDS = to_word_set("query q topic subject keyword keywords term search question about prompt")
CONTENT_WORDS = to_word_set("message body text content note description comment title summary details")
PERSON_WORDS = to_word_set("name user username person recipient customer contact owner assignee title")
ID_WORDS = to_word_set("id number code key sku ref reference no nr uuid isbn symbol ticker")
DATE_WORDS = to_word_set("date day when start end since until due deadline datetime time begin")
# The words that precede each kind of parameter; the first one in the text counts.
LEADING_WORDS: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = (
    (PLACE_WORDS, ("in", "for", "at", "of", "near", "to")),
    (TOPIC_WORDS, ("about", "for", "on", "regarding", "matching", "of")),
    (CONTENT_WORDS, ("saying", "that says", "titled", "called", "about", "named")),
    (PERSON_WORDS, ("named", "called", "to", "for", "of", "by")),
)
DEFAULT_LEADING_WORDS = ("for", "in", "of", "about", "at", "with", "on", "to")
COMMAND_WORDS = to_word_set(
    "find search look lookup show list get fetch check give tell display query use call run send "
    "create make open add please me up for about the a an of on some any all"
)


def find_text_value(
    key: str, shape: dict[str, Any], text: str, wanted: bool, tool: ToolSpec, now: datetime
) -> tuple[Any, str] | None:
    """Return the value of the string parameter `key` and the text without it; an unwanted one must be unambiguous."""
    names = set(split_words(key))
    about = names | set(split_words(str(shape.get("description", "")))[:4])
    form = str(shape.get("format", ""))
    if form == "email" or "email" in names or (names & {"to", "recipient"} and EMAIL.search(text)):
        return _cut(EMAIL.search(text), text)
    if names & {"phone", "mobile", "telephone"} and (phone := PHONE.search(text)):
        return re.sub(r"[\s()-]", "", phone.group()), f"{text[: phone.start()]} , {text[phone.end() :]}"
    if form in ("uri", "url") or names & {"url", "uri", "link", "endpoint", "website"}:
        return _cut(URL.search(text), text)
    if form in ("date", "date-time") or (names & DATE_WORDS and (wanted or names & {"date"})):
        text = replace_number_words(text)
        matches = dates.find_dates(text.lower(), now)
        if matches:
            return matches[0].iso, f"{text[: matches[0].start]} , {text[matches[0].end :]}"
        return None if form else _phrase(("on", "at"), text)
    if names & {"from", "source", "origin"}:
        return _phrase(("from",), text) or _before_to(text)
    if names & {"to", "target", "destination"} or (wanted and "language" in names):
        return _phrase(("to", "into", "in"), text)
    if not wanted:
        return None
    if names & ID_WORDS:
        return _find_identifier(names, text)
    if quote_match := QUOTED.search(text):
        value = next(group for group in quote_match.groups() if group)
        return value, f"{text[: quote_match.start()]} {text[quote_match.end() :]}"
    by_name = [leads for kinds, leads in LEADING_WORDS if kinds & names]
    by_description = [leads for kinds, leads in LEADING_WORDS if kinds & about]
    leads = [*by_name, *by_description, DEFAULT_LEADING_WORDS][0]
    after_colon = re.search(r":\s+(\S.*)$", text, re.DOTALL)
    if after_colon and names & (CONTENT_WORDS | TOPIC_WORDS):
        return after_colon[1].strip().rstrip("."), text[: after_colon.start()]
    long = bool(names & (CONTENT_WORDS | TOPIC_WORDS))
    return _phrase(leads, text, long=long) or _word_after_name(names, text) or _remainder(names, text, tool)


def _cut(match: re.Match[str] | None, text: str) -> tuple[str, str] | None:
    """Return the matched text and the text without it; None without a match."""
    return (match.group(), f"{text[: match.start()]} {text[match.end() :]}") if match else None


def _phrase(leads: tuple[str, ...], text: str, *, long: bool = False) -> tuple[str, str] | None:
    """Return the phrase after the first of the leading words: New York for "in New York please"."""
    stops = r"(?=\s+(?:with|please|under|below|from|where)\b|\s*[,;?!\n]|\.(?:\s|$)|\s*$)" if long else STOPS
    for lead in leads:
        for match in re.finditer(
            rf"\b{lead}\s+(?:the\s+)?((?:[^\s,;?!]+\s+){{0,7}}?[^\s,;?!]+?){stops}", text, re.IGNORECASE
        ):
            value = match[1].strip(" \"'`“”")
            if (
                value
                and stem(value.lower())
                and value.lower() not in STOP_WORDS | {"today", "now", "tomorrow"}
            ):
                return value, f"{text[: match.start()]} {text[match.end() :]}"
    return None


def _before_to(text: str) -> tuple[str, str] | None:
    """Return the word before "to", and the text without it: USD for "100 USD to EUR"; None without one."""
    match = re.search(r"\b([A-Za-z]{2,})(?=\s+(?:to|into|in)\s+\w)", text)
    return _cut(match, text) if match and match[1].lower() not in STOP_WORDS else None


def _find_identifier(names: set[str], text: str) -> tuple[str, str] | None:
    """Return an id, beside one of the names if possible, and the text without it; None without one."""
    nouns = "|".join(re.escape(word) for word in names - ID_WORDS) or r"(?!)"
    beside = re.search(
        rf"\b(?:{nouns})s?\s*(?:id|number|no\.?|code|is|with)?\s*[#:]?\s*{CODE.pattern}", text, re.IGNORECASE
    )
    match = beside or CODE.search(text) or CAPITALS.search(text)
    return _cut_group(match, text) if match else None


def _word_after_name(names: set[str], text: str) -> tuple[str, str] | None:
    """Return the word after the parameter's name: alpha for "server alpha"."""
    nouns = "|".join(map(re.escape, sorted(names - CONTENT_WORDS)))
    match = re.search(rf"\b(?:{nouns})\s+([\w.-]*\w)", text, re.IGNORECASE) if nouns else None
    return _cut_group(match, text) if match and match[1].lower() not in STOP_WORDS else None


def _cut_group(match: re.Match[str], text: str) -> tuple[str, str]:
    """Return the first group and the text without it."""
    return match[1], f"{text[: match.start(1)]} {text[match.end(1) :]}"


def _remainder(names: set[str], text: str, tool: ToolSpec) -> tuple[str, str] | None:
    """Return the text without the command and the tool's own words: Paris for "weather Paris"."""
    own = {stem(word) for word in split_words(f"{tool.name} {tool.description}")}
    tokens = re.findall(r"[^\s,;?!]+", text)
    rest = [token for token in tokens if split_words(token) and not _is_command(token, own)]
    if (
        not rest
        or not names & (PLACE_WORDS | TOPIC_WORDS | PERSON_WORDS | CONTENT_WORDS | {"text", "input", "value"})
        or len(rest) > 6
    ):
        return None
    if names & PLACE_WORDS and not all(token[:1].isupper() or len(rest) <= 2 for token in rest):
        return None
    return " ".join(rest).strip(" .\"'"), ""


def _is_command(token: str, own: set[str]) -> bool:
    """Return whether a token has only stop words, words of commands, and the tool's `own` stems."""
    bare = split_words(token)
    return all(word in STOP_WORDS or word in COMMAND_WORDS or stem(word) in own for word in bare)
