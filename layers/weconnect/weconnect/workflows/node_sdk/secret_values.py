"""The secret variables within one attempt of an effect: opened there alone, and hidden in all that comes out of it.

What is hidden are the secrets, the texts of the parameters that hold them, and both in the encodings in which services
commonly repeat what they were sent. That keeps accidents away from journal, checkpoints, errors and logs. It cannot
keep a secret from who may change the workflow: they choose where it is sent.
"""

import base64
import json
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from weconnect import log

SHORTEST = 8


class Sealed(BaseModel):
    """A secret variable's id and its encrypted value."""

    id: UUID
    text: str


class Secrets:
    """Opens secrets for the parameters of one node, named by `places`, and remembers what to hide."""

    def __init__(self, organization_id: UUID, sealed: Mapping[str, Sealed], places: Iterable[str]) -> None:
        self.places = frozenset(places)
        self._organization_id = organization_id
        self._sealed = sealed
        self._hidden: set[str] = set()

    def open(self, names: Iterable[str]) -> dict[str, str]:
        """The values of secrets, which are hidden from now on."""
        from weconnect.security import encryption

        opened: dict[str, str] = {}
        for name in names:
            found = self._sealed[name]
            place = {"kind": "VARIABLE", "id": str(found.id), "field": "value"}
            opened[name] = encryption.decrypt(self._organization_id, **place, sealed=found.text)
            self._cover(opened[name])
        return opened

    def cover(self, texts: Iterable[str]) -> None:
        """Hide these texts, too: what was got for a secret and is one itself."""
        for text in texts:
            self._cover(text)

    def cover_derived(self, values: Iterable[Any], template: str) -> None:
        """Hide what came of a parameter's text: all of it, and its words that were not there before."""
        known = set(template.split())
        for value in values:
            text = value if isinstance(value, str) else json.dumps(value)
            self._cover(text)
            for word in text.split():
                if word not in known:
                    self._cover(word)

    def _cover(self, text: str) -> None:
        self._hidden |= {form for form in _forms(text) if len(form) >= SHORTEST}

    def hide(self, value: Any) -> Any:
        """A JSON value without any of it, in names as in values."""
        if not self._hidden:
            return value
        if isinstance(value, str):
            for text in sorted(self._hidden, key=len, reverse=True):
                value = value.replace(text, log.MASK)
            return value
        if isinstance(value, dict):
            return {self.hide(name): self.hide(inner) for name, inner in value.items()}
        return [self.hide(inner) for inner in value] if isinstance(value, list) else value

    def hide_content(self, content: bytes) -> bytes:
        """A file's content without any of it."""
        for text in sorted(self._hidden, key=len, reverse=True):
            content = content.replace(text.encode(errors="replace"), log.MASK.encode())
        return content

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Keep it out of log lines as well."""
        with log.hiding(self.hide):
            yield


def _forms(text: str) -> Iterator[str]:
    content = text.encode(errors="replace")
    yield text
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield urllib.parse.quote(text, safe="")
    yield urllib.parse.quote(text)
    yield urllib.parse.quote_plus(text)
    yield base64.b64encode(content).decode().rstrip("=")
    yield base64.urlsafe_b64encode(content).decode().rstrip("=")
    yield content.hex()
