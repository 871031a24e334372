"""Secrets that somebody wrote into a field: found by the field's name or the value's form, taken out, and put back.

What is stored and returned has MASK in their place. Sending MASK back means the secret that is stored already.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from weconnect.hiding import MASK
from weconnect.redaction import redact

Change = Callable[[str, Any], Any]
"""Takes the pointer and the value of a secret, and returns what to put there."""

_NAME = re.compile(
    r"(?i)auth(?!ors?(?![a-z]))|key(?!words?|board)|token|secret|cookie|passw|passphrase|pwd|signature|credential"
    r"|bearer|jwt|(?:^|[^a-z])(?:pass|sig|sid|pin)(?:$|[^a-z])"
)
_COUNT = re.compile(r"(?i)tokens$")
_PLACEHOLDER = re.compile(r"(?i)\s*(?:(?:bearer|basic|token)\s+)?(?:\{[\w.-]{1,200}\}|\{\{[^\"'{}]*\}\})\s*")
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,20}://)(?:(?P<user>[^/?#]*)@)?(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<rest>.*)",
    re.DOTALL,
)


def is_secret_name(name: str) -> bool:
    """Return whether a header, parameter or field with this name usually has a secret in it."""
    return bool(_NAME.search(name))


def take_out(value: Any, plain: frozenset[str] = frozenset()) -> tuple[Any, dict[str, Any]]:
    """Return a JSON value with MASK in the place of each secret, and the secrets by pointer.

    `plain` are pointers of fields that have no secrets whatever their names are.
    """
    secrets: dict[str, Any] = {}

    def take(pointer: str, secret: Any) -> str:
        """Keep a secret, unless it is the mask of one."""
        if secret != MASK:
            secrets[pointer] = secret
        return MASK

    return _change(value, take, plain), secrets


def put_back(value: Any, secrets: dict[str, Any]) -> Any:
    """Return a JSON value with the secrets, by pointer, in the place of their masks."""
    return _change(value, lambda pointer, inner: secrets.get(pointer, inner) if inner == MASK else inner)


def find_masks(value: Any) -> list[str]:
    """Return the pointers of the masks in a JSON value: the secrets that are still to be put back."""
    pointers: list[str] = []

    def note(pointer: str, inner: Any) -> Any:
        """Note the pointer of a mask."""
        if inner == MASK:
            pointers.append(pointer)
        return inner

    _change(value, note)
    return pointers


def _change(
    value: Any, change: Change, plain: frozenset[str] = frozenset(), pointer: str = "", name: str = ""
) -> Any:
    """Return a JSON value with each secret changed; all within a field with a secret's name is one."""
    if pointer in plain:
        return value
    if isinstance(value, dict):
        label = value.get("name") if "value" in value else None
        return {
            key: _change(
                inner,
                change,
                plain,
                f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}",
                _find_secret_name(name, label if key == "value" and isinstance(label, str) else key),
            )
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [
            _change(inner, change, plain, f"{pointer}/{index}", name) for index, inner in enumerate(value)
        ]
    if value is None or isinstance(value, bool) or value == "":
        return value
    if not isinstance(value, str):
        return change(pointer, value) if is_secret_name(name) and not _COUNT.search(name) else value
    if value == MASK:
        return change(pointer, value)
    if _PLACEHOLDER.fullmatch(value):
        return value
    if is_secret_name(name):
        return change(pointer, value)
    if match := _URL.fullmatch(value):
        return _change_url(match, change, pointer)
    return change(pointer, value) if redact(value) != value else value


def _find_secret_name(outer: str, name: str) -> str:
    """Return the name of a field, or that of one around it which says that its content is secret."""
    return outer if is_secret_name(outer) else name


def _change_url(match: re.Match[str], change: Change, pointer: str) -> str:
    """Return a URL with the secrets in its user and its query changed; `<pointer>@` and `<pointer>?name` name them."""

    def apply(part: str, text: str) -> str:
        """Return the changed text of a part; a client may have percent-encoded the mask."""
        if not text or _PLACEHOLDER.fullmatch(text):
            return text
        return str(change(f"{pointer}{part}", MASK if unquote(text) == MASK else text))

    user = f"{apply('@', match['user'])}@" if match["user"] is not None else ""
    pairs = []
    for number, pair in enumerate((match["query"] or "?")[1:].split("&")):
        name, equals, text = pair.partition("=")
        is_secret = is_secret_name(unquote(name)) or unquote(text) == MASK
        pairs.append(f"{name}{equals}{apply(f'?{number}&{name}', text) if is_secret else text}")
    query = f"?{'&'.join(pairs)}" if match["query"] else ""
    return f"{match['scheme']}{user}{match['path']}{query}{match['rest']}"
