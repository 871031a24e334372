"""Texts that are never stored as memories: those without content, and those that seem to contain a secret."""

import re
from collections.abc import Iterator

from weconnect.agents.memory.facts import normalize_words

NO_CONTENT = "The text has no content"
_KEYS = re.compile(
    r"\b(?:sk|pk|rk)[-_](?:live|test|proj|ant|or)?[-_]?[A-Za-z0-9_-]{16,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}|\bglpat-[\w-]{18,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|\bAIza[\w-]{30,}"
    r"|\bwc_[\w-]{40,}"
    r"|\bwhsec_\w{16,}"
    r"|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"
    r"|(?<=[a-z0-9+.-])://[^\s:/@]+:[^\s@/]+@"
)
_JWT = re.compile(r"\beyJ[\w-]{8,}+(\.eyJ[\w-]{8,}+\.[\w-]{8,}+)?")
"""A JWT; without its group a word that only begins like one, read to its end so that it is read once."""
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
_NOT_A_CARD = re.compile(
    r"\b(?:order|invoice|tracking|ticket|parcel|shipment|case|reference|serial|article)(?: (?:number|no\.?|id))?"
    r"\s{0,9}(?:is|was|:|#|=)?\s{0,9}$",
    re.I,
)
_STATE_WORDS = """
required optional strong weak secret wrong correct incorrect unknown empty long short new old good bad safe
unsafe invalid valid missing public private not stored kept in on at the a an always never sent too due
"""
_STATES = frozenset(_STATE_WORDS.split())
_NUMBER = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])")
_TOKEN = re.compile(r"(?<![\w/.:=&?+-])[A-Za-z0-9+_-]{32,}+(?P<more>[\w/.])?")
_MIN_TOKEN_CHARACTERS = 32


def find_rejection(text: str) -> str | None:
    """Return the reason why a text must not be stored, or None."""
    if not normalize_words(text):
        return NO_CONTENT
    return next((f"The text seems to contain {noun}" for noun, _ in _find_secrets(text)), None)


def mask_secrets(text: str) -> str:
    """Return the text with `[secret]` in place of each apparent secret."""
    for _, secret in list(_find_secrets(text)):
        text = text.replace(secret, "[secret]")
    return text


def _find_secrets(text: str) -> list[tuple[str, str]]:
    """Return the apparent secrets in a text: (noun with its article, secret)."""
    secrets = [("a key or a token", match[0]) for match in _KEYS.finditer(text)]
    secrets += [
        ("a password or a key", match["value"]) for match in _NAMED.finditer(text) if _has_secret_value(match)
    ]
    secrets += [("a card number", match[0]) for match in _NUMBER.finditer(text) if _is_card_number(match)]
    secrets += [("a PIN", match["value"]) for match in _PIN.finditer(text)]
    secrets += [("a bank account number", match[0]) for match in _IBAN.finditer(text) if _is_iban(match[0])]
    secrets += [("a key or a token", match[0]) for match in _JWT.finditer(text) if match[1]]
    secrets += [("a key or a token", token) for token in _find_tokens(text) if _is_random(token)]
    return secrets


def _find_tokens(text: str) -> Iterator[str]:
    """Yield the long words of a text; of one that goes on like a path or a name, what ends before a `+` or `-`."""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if match["more"]:
            token = token[: max(token.rfind("+"), token.rfind("-"), 0)]
        if len(token) >= _MIN_TOKEN_CHARACTERS:
            yield token


def _has_secret_value(match: re.Match[str]) -> bool:
    """Accept `password is hunter2`, but not `the password is stored in a vault`."""
    value = match["value"].rstrip(".,;!")
    if re.search(r"[\d!@#$%^&*_~+=]", value):
        return True
    is_last_word = not re.search(r"\w", match["rest"])
    return is_last_word and value.casefold() not in _STATES and not value.endswith("ed")


def _is_iban(text: str) -> bool:
    """Return whether the checksum is right (ISO 7064, modulo 97 is 1; letters count from 10)."""
    flat = text.replace(" ", "")
    return int("".join(str(int(char, 36)) for char in flat[4:] + flat[:4])) % 97 == 1


def _is_card_number(match: re.Match[str]) -> bool:
    """Return whether the Luhn checksum and the first digit are right and no word before it says "order number"."""
    if _NOT_A_CARD.search(match.string[max(0, match.start() - 60) : match.start()]):
        return False
    digits = [int(char) for char in match[0] if char.isdigit()]
    doubled = [
        sum(divmod(2 * digit, 10)) if index % 2 else digit for index, digit in enumerate(reversed(digits))
    ]
    return digits[0] in (2, 3, 4, 5, 6) and sum(doubled) % 10 == 0


def _is_random(token: str) -> bool:
    """Return whether a token has lower-case and capital letters and digits, like a generated secret."""
    return all(any(map(is_kind, token)) for is_kind in (str.islower, str.isupper, str.isdigit))
