"""What is never remembered: texts that say nothing, and what looks like a secret."""

import re

from weconnect.agents.memory.facts import meaning

EMPTY = "It says nothing"
_KEYS = re.compile(
    r"\b(?:sk|pk|rk)[-_](?:live|test|proj|ant|or)?[-_]?[A-Za-z0-9_-]{16,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}|\bglpat-[\w-]{18,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|\bAIza[\w-]{30,}"
    r"|\bwc_[\w-]{40,}"
    r"|\bwhsec_\w{16,}"
    r"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"
    r"|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"
    r"|\b[a-z][a-z0-9+.-]*://[^\s:/@]+:[^\s@/]+@"
)
_NAMED = re.compile(
    r"\b(?:password|passwd|passphrase|passcode|pwd|api[ _-]?key|secret(?:[ _-]?key)?|access[ _-]?key|"
    r"(?:access|auth|bearer|refresh)[ _-]?token|client[ _-]?secret)"
    r"(?: (?:for|of|to) [\w .-]{1,40}?)?\s*(?:is|was|to|:|=)\s*[\"'`]?(?P<value>[^\s\"'`]+)(?P<rest>.*)",
    re.I | re.S,
)
_PIN = re.compile(
    r"\bpin(?: (?:code|number))?(?: (?:for|of|to) [\w .-]{1,40}?)?\s*(?:is|was|:|=)\s*(?P<value>\d{4,8})\b",
    re.I,
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_NO_CARD = re.compile(
    r"\b(?:order|invoice|tracking|ticket|parcel|shipment|case|reference|serial|article)(?: (?:number|no\.?|id))?"
    r"\s*(?:is|was|:|#|=)?\s*$",
    re.I,
)
_STATE_WORDS = """
required optional strong weak secret wrong correct incorrect unknown empty long short new old good bad safe
unsafe invalid valid missing public private not stored kept in on at the a an always never sent too due
"""
_STATES = frozenset(_STATE_WORDS.split())
_NUMBER = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])")
_TOKEN = re.compile(r"(?<![\w/.:=&?-])[A-Za-z0-9+_-]{32,}(?![\w/.])")


def why_refused(text: str) -> str | None:
    """Why a text must not be remembered, or None."""
    if not meaning(text):
        return EMPTY
    return next((f"It looks like it holds {kind}" for kind, _ in _secrets(text)), None)


def masked(text: str) -> str:
    """The text with `[secret]` in place of what looks like one."""
    for _, found in list(_secrets(text)):
        text = text.replace(found, "[secret]")
    return text


def _secrets(text: str) -> list[tuple[str, str]]:
    found = [("a key or a token", match[0]) for match in _KEYS.finditer(text)]
    found += [("a password or a key", match["value"]) for match in _NAMED.finditer(text) if _is_value(match)]
    found += [("a card number", match[0]) for match in _NUMBER.finditer(text) if _is_card(match)]
    found += [("a PIN", match["value"]) for match in _PIN.finditer(text)]
    found += [("a bank account number", match[0]) for match in _IBAN.finditer(text) if _is_iban(match[0])]
    found += [("a key or a token", match[0]) for match in _TOKEN.finditer(text) if _is_random(match[0])]
    return found


def _is_value(match: re.Match[str]) -> bool:
    """`password is hunter2`, not `the password is stored in a vault`."""
    value = match["value"].rstrip(".,;!")
    if re.search(r"[\d!@#$%^&*_~+=]", value):
        return True
    last = not re.search(r"\w", match["rest"])
    return last and value.casefold() not in _STATES and not value.endswith("ed")


def _is_iban(text: str) -> bool:
    """The check of ISO 7064: what is left of division by 97 is 1; letters count from 10."""
    flat = text.replace(" ", "")
    return int("".join(str(int(char, 36)) for char in flat[4:] + flat[:4])) % 97 == 1


def _is_card(match: re.Match[str]) -> bool:
    """Luhn's check, a first digit that cards have, and no word before it that says what else it is."""
    if _NO_CARD.search(match.string[: match.start()]):
        return False
    digits = [int(char) for char in match[0] if char.isdigit()]
    doubled = [
        sum(divmod(2 * digit, 10)) if place % 2 else digit for place, digit in enumerate(reversed(digits))
    ]
    return digits[0] in (2, 3, 4, 5, 6) and sum(doubled) % 10 == 0


def _is_random(token: str) -> bool:
    return all(re.search(kind, token) for kind in ("[a-z]", "[A-Z]", r"\d"))
