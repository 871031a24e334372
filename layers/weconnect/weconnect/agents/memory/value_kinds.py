"""Kinds of values: an e-mail address, a clock time, a colour, a proper name. English tables, no model.

A value replaces only a value of the same kind: "My email is down today" has no new address. A value of an unknown kind
replaces nothing. Word classes are tried before names, because "Spanish" or "Spain" is not the name of a person.
"""

import re

from weconnect.agents.memory.tokenizer import DIGITS_BY_WORD, STOP_WORDS, split_words, stem

WORDS_BY_CLASS = {  # of words that exclude each other as an answer to one question
    "drink": "tea coffee water juice beer wine milk cola",
    "theme": "dark light",
    "seat": "aisle window",
    "part of day": "morning evening afternoon night",
    "pet": "cat dog",
    "channel": "email phone sms chat slack",
    "indentation": "tabs spaces",
    "units": "metric imperial",
    "diet": "vegetarian vegan omnivore",
    "vehicle": "train plane car bus",
    "season": "summer winter spring autumn",
    "colour": "blue green red yellow purple orange pink teal black white grey gray brown",
    "side": "left right",
    "temperature": "celsius fahrenheit",
    "length": "short long brief detailed",
    "tone": "formal informal casual",
    "language": "english french german spanish italian portuguese dutch polish russian turkish arabic hindi chinese"
    " japanese korean swedish danish norwegian finnish greek czech ukrainian",
    "programming language": "python go golang rust java kotlin scala ruby php javascript typescript swift haskell perl"
    " elixir",
    "cloud": "aws azure gcp heroku vercel netlify hetzner cloudflare",
    "operating system": "ubuntu debian fedora windows linux macos ios android",
    "department": "marketing sales engineering finance hr support legal operations product procurement",
    "occupation": "plumber teacher nurse doctor engineer developer programmer designer lawyer accountant architect"
    " electrician carpenter dentist pharmacist journalist writer chef cook driver pilot farmer analyst consultant"
    " scientist researcher translator photographer librarian economist therapist manager",
    "country": "germany france spain italy portugal austria switzerland netherlands belgium poland sweden norway"
    " denmark finland ireland england scotland wales britain uk usa us canada mexico brazil argentina chile china japan"
    " india korea australia greece turkey russia ukraine egypt kenya nigeria europe asia africa america",
}  # fmt: skip
_CLASS_OF = {stem(word): name for name, members in WORDS_BY_CLASS.items() for word in members.split()}
_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)"
)
_DAY = r"(?:the )?\d{1,2}(?:st|nd|rd|th)?(?: of)?"
_YEAR = r"(?:,? \d{4})?"
_NUMERAL = r"[+-]?\d[\d.,]*"
_PATTERNS = [  # the first that matches the whole value, without regard to case
    ("e-mail address", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    ("link", r"https?://\S+|www\.\S+"),
    ("weekday", rf"(?:next |this |every |on )?{_WEEKDAY}"),
    ("date", rf"{_DAY} {_MONTH}{_YEAR}|{_MONTH} {_DAY}{_YEAR}|\d{{4}}-\d\d-\d\d|\d\d?[./]\d\d?[./]\d{{2,4}}"),
    ("month", rf"{_MONTH}{_YEAR}"),
    ("clock time", r"\d{1,2}[:.]\d\d(?: ?[ap]\.?m\.?)?|\d{1,2} ?[ap]\.?m\.?|\d{1,2} o'clock|noon|midnight"),
    ("postal address", r"\d+[a-z]? (?:[\w'.-]+ ){1,3}(?:street|st|road|rd|avenue|ave|lane|drive|square|way)"),
    ("digits", r"\+?\d{2,}(?:[ ()/-]+\d{2,})+"),
]  # fmt: skip
_CAPITAL = r"[A-Z][\w'&.-]*"
_NAME = re.compile(rf"{_CAPITAL}(?:,? (?:(?:of|de|da|van|von|der|and) )?{_CAPITAL})*")


def classify_value(value: str) -> str | None:
    """Return the kind of a value, None when it is unknown. The kind of a number contains its unit, `number euro`."""
    plain = re.sub(r"^(?:an?|the) ", "", value.strip(), flags=re.I)
    if re.match(r"(?:from|of|about|like|by|with|without) ", plain, re.I):
        return None  # it describes the value and is not the value: "an e-mail from Spain"
    for name, pattern in _PATTERNS:
        if re.fullmatch(pattern, plain, re.I):
            return name
    return _classify_number(plain) or _classify_word(plain) or ("name" if _is_name(value.strip()) else None)


def _classify_number(value: str) -> str | None:
    """Return `number euro` for "20 euros", `number port` for "port 8080"."""
    first, _, rest = value.partition(" ")
    flat = f"{DIGITS_BY_WORD.get(first.casefold(), first)} {rest}".strip()
    match = re.fullmatch(rf"([a-z]+ |[€$£])?{_NUMERAL}( ?[a-z%€$£]+)?", flat, re.I)
    if not match:
        return None
    units = [stem(unit.strip().casefold()) for unit in match.groups() if unit]
    return " ".join(["number", *units])


def _classify_word(value: str) -> str | None:
    """Return `colour` for "green", `theme mode` for "dark mode"."""
    stems = [stem(word) for word in split_words(value) if word not in STOP_WORDS]
    members = [word for word in stems if word in _CLASS_OF]
    if len(members) != 1 or len(stems) > 2 or (len(stems) > 1 and _is_name(value)):
        return None
    return " ".join([_CLASS_OF[members[0]], *(word for word in stems if word != members[0])])


def _is_name(value: str) -> bool:
    """Return whether a value is capitalized like a proper name and has no stop word but "of" and "and"."""
    words = {word.casefold() for word in re.findall(r"[\w'-]+", value)}
    return bool(_NAME.fullmatch(value)) and not (words & STOP_WORDS - {"of", "and"})
