"""Finding the value of a text parameter: by its form, by the little word before it, or as what is left."""

import re
from datetime import datetime
from typing import Any

from weconnect.agents.embedded_model import dates
from weconnect.agents.embedded_model.sentences import QUOTED, STOP, stem, with_digits, word_set, words
from weconnect.agents.models.messages import ToolSpec

URL = re.compile(r"\bhttps?://[^\s<>\"'`{}|\\^]*[^\s<>\"'`{}|\\^.,;:!?)\]]", re.IGNORECASE)
EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
PHONE = re.compile(r"\+?\d[\d\s()-]{5,18}\d")
CODE = re.compile(r"#?\b((?:[A-Za-z]+[-_]?)?\d[\w-]*|[A-Z]{2,}[-_]\w+)\b")
CAPITALS = re.compile(r"\b([A-Z]{2,})\b")
ENDINGS = "and|with|please|for|in|at|to|from|on|today|now|tomorrow|right|where|under|below|of|about|as"
STOPS = rf"(?=\s+(?:{ENDINGS})\b|\s*[,;?!\n]|\.(?:\s|$)|\s*$)"
PLACES = word_set("city location place country town region address where destination area")
TOPICS = word_set("query q topic subject keyword keywords term search question about prompt")
CONTENTS = word_set("message body text content note description comment title summary details")
PEOPLE = word_set("name user username person recipient customer contact owner assignee title")
IDS = word_set("id number code key sku ref reference no nr uuid isbn symbol ticker")
DATES = word_set("date day when start end since until due deadline datetime time begin")
# Which little words lead to which kind of parameter; the first that is there wins.
LEADS: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = (
    (PLACES, ("in", "for", "at", "of", "near", "to")),
    (TOPICS, ("about", "for", "on", "regarding", "matching", "of")),
    (CONTENTS, ("saying", "that says", "titled", "called", "about", "named")),
    (PEOPLE, ("named", "called", "to", "for", "of", "by")),
)
OTHERWISE = ("for", "in", "of", "about", "at", "with", "on", "to")
COMMANDS = word_set(
    "find search look lookup show list get fetch check give tell display query use call run send "
    "create make open add please me up for about the a an of on some any all"
)


def read(
    key: str, shape: dict[str, Any], text: str, wanted: bool, tool: ToolSpec, now: datetime
) -> tuple[Any, str] | None:
    names = set(words(key))
    about = names | set(words(str(shape.get("description", "")))[:4])
    form = str(shape.get("format", ""))
    if form == "email" or "email" in names or (names & {"to", "recipient"} and EMAIL.search(text)):
        return _taken(EMAIL.search(text), text)
    if names & {"phone", "mobile", "telephone"} and (phone := PHONE.search(text)):
        return re.sub(r"[\s()-]", "", phone.group()), f"{text[: phone.start()]} , {text[phone.end() :]}"
    if form in ("uri", "url") or names & {"url", "uri", "link", "endpoint", "website"}:
        return _taken(URL.search(text), text)
    if form in ("date", "date-time") or (names & DATES and (wanted or names & {"date"})):
        text = with_digits(text)
        found = dates.moments(text.lower(), now)
        if found:
            return found[0].iso, f"{text[: found[0].start]} , {text[found[0].end :]}"
        return None if form else _phrase(("on", "at"), text)
    if names & {"from", "source", "origin"}:
        return _phrase(("from",), text) or _before_to(text)
    if names & {"to", "target", "destination"} or (wanted and "language" in names):
        return _phrase(("to", "into", "in"), text)
    if not wanted:
        return None
    if names & IDS:
        return _identifier(names, text)
    if found_quote := QUOTED.search(text):
        value = next(group for group in found_quote.groups() if group)
        return value, f"{text[: found_quote.start()]} {text[found_quote.end() :]}"
    by_name = [leads for kinds, leads in LEADS if kinds & names]
    by_description = [leads for kinds, leads in LEADS if kinds & about]
    leads = [*by_name, *by_description, OTHERWISE][0]
    after_colon = re.search(r":\s+(\S.*)$", text, re.DOTALL)
    if after_colon and names & (CONTENTS | TOPICS):
        return after_colon[1].strip().rstrip("."), text[: after_colon.start()]
    long = bool(names & (CONTENTS | TOPICS))
    return _phrase(leads, text, long=long) or _beside(names, text) or _remainder(names, text, tool)


def _taken(match: re.Match[str] | None, text: str) -> tuple[str, str] | None:
    return (match.group(), f"{text[: match.start()]} {text[match.end() :]}") if match else None


def _phrase(leads: tuple[str, ...], text: str, *, long: bool = False) -> tuple[str, str] | None:
    """Take what follows the first of the little words: "in New York please" gives New York."""
    stops = r"(?=\s+(?:with|please|under|below|from|where)\b|\s*[,;?!\n]|\.(?:\s|$)|\s*$)" if long else STOPS
    for lead in leads:
        for match in re.finditer(
            rf"\b{lead}\s+(?:the\s+)?((?:[^\s,;?!]+\s+){{0,7}}?[^\s,;?!]+?){stops}", text, re.IGNORECASE
        ):
            value = match[1].strip(" \"'`“”")
            if value and stem(value.lower()) and value.lower() not in STOP | {"today", "now", "tomorrow"}:
                return value, f"{text[: match.start()]} {text[match.end() :]}"
    return None


def _before_to(text: str) -> tuple[str, str] | None:
    """Read the source of "100 USD to EUR"."""
    match = re.search(r"\b([A-Za-z]{2,})(?=\s+(?:to|into|in)\s+\w)", text)
    return _taken(match, text) if match and match[1].lower() not in STOP else None


def _identifier(names: set[str], text: str) -> tuple[str, str] | None:
    nouns = "|".join(re.escape(word) for word in names - IDS) or r"(?!)"
    beside = re.search(
        rf"\b(?:{nouns})s?\s*(?:id|number|no\.?|code|is|with)?\s*[#:]?\s*{CODE.pattern}", text, re.IGNORECASE
    )
    match = beside or CODE.search(text) or CAPITALS.search(text)
    return _taken_group(match, text) if match else None


def _beside(names: set[str], text: str) -> tuple[str, str] | None:
    """Take the word after the parameter's own: "server alpha"."""
    nouns = "|".join(map(re.escape, sorted(names - CONTENTS)))
    match = re.search(rf"\b(?:{nouns})\s+([\w.-]*\w)", text, re.IGNORECASE) if nouns else None
    return _taken_group(match, text) if match and match[1].lower() not in STOP else None


def _taken_group(match: re.Match[str], text: str) -> tuple[str, str]:
    return match[1], f"{text[: match.start(1)]} {text[match.end(1) :]}"


def _remainder(names: set[str], text: str, tool: ToolSpec) -> tuple[str, str] | None:
    """Take what is left when the command and the tool's own words are gone: "weather Paris"."""
    own = {stem(word) for word in words(f"{tool.name} {tool.description}")}
    tokens = re.findall(r"[^\s,;?!]+", text)
    kept = [token for token in tokens if words(token) and not _is_command(token, own)]
    if (
        not kept
        or not names & (PLACES | TOPICS | PEOPLE | CONTENTS | {"text", "input", "value"})
        or len(kept) > 6
    ):
        return None
    if names & PLACES and not all(token[:1].isupper() or len(kept) <= 2 for token in kept):
        return None
    return " ".join(kept).strip(" .\"'"), ""


def _is_command(token: str, own: set[str]) -> bool:
    bare = words(token)
    return all(word in STOP or word in COMMANDS or stem(word) in own for word in bare)
