"""Secrets that somebody wrote into a field: found as `secrecy` decides, taken out, and put back.

What is stored and returned has MASK in their place. Sending MASK back means the secret that is stored already, as long
as it stands where it stood: below the same names, beside the same label, and in an array that has not changed.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from weconnect.hiding import MASK
from weconnect.security import secrecy

Change = Callable[[str, str, Any], Any]
"""Takes the pointer of a text, the secret part of its URL (or ""), and the secret; returns the replacement."""

_LABELS = ("name", "key", "header", "field", "parameter", "label", "id")
_VALUES = ("value", "val", "content", "text", "data")


class Fields(NamedTuple):
    """The pointers of fields that have no secrets whatever their names are, and of those that are nothing else."""

    plain: frozenset[str] = frozenset()
    secret: frozenset[str] = frozenset()


NO_FIELDS = Fields()


class Restored(NamedTuple):
    """A JSON value with its secrets, the pointers of those that were put back, and of masks without a secret."""

    value: Any
    pointers: frozenset[str]
    refused: list[str]


def take_out(value: Any, fields: Fields = NO_FIELDS) -> tuple[Any, dict[str, Any]]:
    """Return a JSON value with MASK in the place of each secret, and the secrets by pointer."""
    secrets: dict[str, Any] = {}

    def take(pointer: str, part: str, secret: Any) -> str:
        """Keep a secret, unless it is the mask of one."""
        if secret != MASK:
            secrets[pointer + part] = secret
        return MASK

    return _change(value, take, fields), secrets


def put_back(value: Any, secrets: dict[str, Any]) -> Any:
    """Return a stored JSON value with its secrets, by pointer, in the place of their masks."""
    return _change(
        value, lambda pointer, part, inner: secrets.get(pointer + part, inner) if inner == MASK else inner
    )


def restore(value: Any, stored: Any, secrets: dict[str, Any], fields: Fields = NO_FIELDS) -> Restored:
    """Return a requested JSON value with the secrets of a stored one for masks that stand where it has them.

    A mask stays a mask where the stored one has it without a secret, as in a copy of another member's.
    """
    changed = set(_list_changed(take_out(value, fields)[0], stored))
    stored_keys = set(find_masks(stored)) | set(secrets)
    pointers, refused = set(), []

    def apply(pointer: str, part: str, inner: Any) -> Any:
        """Return the secret of a mask."""
        if inner != MASK:
            return inner
        steps = pointer.split("/")
        if pointer + part not in stored_keys or any(
            "/".join(steps[: index + 1]) in changed for index in range(len(steps))
        ):
            refused.append(pointer)
            return inner
        pointers.add(pointer + part)
        return secrets.get(pointer + part, inner)

    return Restored(_change(value, apply, fields), frozenset(pointers), refused)


def find_masks(value: Any) -> list[str]:
    """Return the pointers of the masks in a JSON value: the secrets that are still to be put back."""
    pointers: list[str] = []

    def note(pointer: str, part: str, inner: Any) -> Any:
        """Note the pointer of a mask."""
        if inner == MASK:
            pointers.append(pointer + part)
        return inner

    _change(value, note)
    return pointers


def _list_changed(value: Any, stored: Any, pointer: str = "") -> Iterator[str]:
    """Yield the pointers of arrays and labelled values in which a mask does not stand where it stood."""
    if isinstance(value, dict) and isinstance(stored, dict):
        if _labels(value) != _labels(stored):
            yield pointer
        for key in value.keys() & stored.keys():
            yield from _list_changed(value[key], stored[key], f"{pointer}/{_escape(key)}")
    elif isinstance(value, list) and isinstance(stored, list):
        if not _is_same_array(value, stored):
            yield pointer
        for index, (inner, before) in enumerate(zip(value, stored, strict=False)):
            yield from _list_changed(inner, before, f"{pointer}/{index}")


def _is_same_array(value: list[Any], stored: list[Any]) -> bool:
    """Return whether no member of an array was added, removed or moved, and none with a secret differs."""
    texts, before = ([json.dumps(inner, ensure_ascii=False) for inner in array] for array in (value, stored))
    if len(texts) != len(before):
        return False
    places = {text: index for index, text in enumerate(before)}
    return all(
        text == old or not (text in places or MASK in text or MASK in old)
        for text, old in zip(texts, before, strict=True)
    )


def _labels(value: dict[str, Any]) -> list[Any]:
    """Return what names the value in `{"name": "x-token", "value": "…"}`; nothing for an object without a value."""
    values_by_name = {key.lower(): inner for key, inner in value.items()}
    if not values_by_name.keys() & set(_VALUES):
        return []
    return [values_by_name.get(name) for name in _LABELS]


def _change(
    value: Any,
    change: Change,
    fields: Fields = NO_FIELDS,
    pointer: str = "",
    *,
    is_secret: bool = False,
    has_headers: bool = False,
) -> Any:
    """Return a JSON value with each secret changed; all within a field with a secret's name is one.

    `has_headers`: the names in the value are those of request headers.
    """
    if pointer in fields.plain:
        return value
    is_secret = is_secret or pointer in fields.secret
    if isinstance(value, dict):
        return _change_object(value, change, fields, pointer, is_secret, has_headers)
    if isinstance(value, list):
        is_pair = len(value) == 2 and isinstance(value[0], str) and _is_pair(value, pointer)
        return [
            _change(
                inner,
                change,
                fields,
                f"{pointer}/{index}",
                is_secret=is_secret or (is_pair and index == 1 and _is_secret(value[0], has_headers)),
                has_headers=has_headers,
            )
            for index, inner in enumerate(value)
        ]
    if value is None or isinstance(value, bool) or value == "":
        return value
    if not isinstance(value, str):
        return change(pointer, "", value) if is_secret else value
    if value == MASK:
        return change(pointer, "", value)
    if secrecy.is_placeholder(value):
        return value
    if is_secret:
        return change(pointer, "", value)
    if "://" in value[:30] and not any(mark in value for mark in " \n\t"):
        return secrecy.change_url(value, lambda part, text: change(pointer, part, text))
    return change(pointer, "", value) if _is_secret_text(value) else value


def _change_object(
    value: dict[str, Any], change: Change, fields: Fields, pointer: str, is_secret: bool, has_headers: bool
) -> dict[str, Any]:
    """Return an object with each secret changed; a value beside a label is named by it."""
    label = next((text for text in _labels(value) if isinstance(text, str)), None)
    changed = {}
    for key, inner in value.items():
        name = label if label is not None and key.lower() in _VALUES else key
        is_label = label is not None and key.lower() in _LABELS
        is_count = isinstance(inner, int | float) and key.lower().endswith("tokens")
        changed[key] = _change(
            inner,
            change,
            fields,
            f"{pointer}/{_escape(key)}",
            is_secret=is_secret or (not is_label and not is_count and _is_secret(name, has_headers)),
            has_headers=(has_headers and isinstance(inner, list | dict)) or key.lower().endswith("headers"),
        )
    return changed


def _is_secret(name: str, is_header: bool) -> bool:
    """Return whether a name says that its value is secret."""
    return secrecy.is_secret_header(name) if is_header else secrecy.is_secret_name(name)


def _is_pair(value: list[Any], pointer: str) -> bool:
    """Return whether two members are a name and its value: within an array, or with a value that is not a word."""
    in_array = pointer.rpartition("/")[2].isdecimal()
    second = value[1]
    return in_array or not isinstance(second, str) or not (second.isalpha() and second.islower())


def _is_secret_text(text: str) -> bool:
    """Return whether a text is secret by its form, or by what it is as JSON."""
    if secrecy.is_secret_text(text):
        return True
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return bool(take_out(json.loads(text))[1])
    except (ValueError, RecursionError):
        return False


def _escape(key: str) -> str:
    """Return a key as a step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")
