"""Secret variables within one attempt of an effect: decrypted only there, and masked in everything that it returns.

Masked are the secrets, the texts of the parameters that contain them, and both in the encodings in which services
commonly return what they were sent. That prevents accidents in journal, checkpoints, errors and logs. Anyone who can
edit a workflow can exfiltrate its secrets nevertheless, because they choose where a secret is sent.
"""

import base64
import json
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from weconnect import redaction

MIN_CHARACTERS = 8


class SealedSecret(BaseModel):
    """The ID and the encrypted value of a secret variable."""

    id: UUID
    text: str


class Secrets:
    """Decrypts secrets for the parameters of one node that may use them, and remembers what to mask."""

    def __init__(
        self, organization_id: UUID, sealed: Mapping[str, SealedSecret], allowed_parameters: Iterable[str]
    ) -> None:
        self.allowed_parameters = frozenset(allowed_parameters)
        self._organization_id = organization_id
        self._sealed = sealed
        self._texts: set[str] = set()

    def open(self, names: Iterable[str]) -> dict[str, str]:
        """Decrypt the secrets with these names, and mask them from now on."""
        from weconnect.security import encryption  # cold start

        opened: dict[str, str] = {}
        for name in names:
            secret = self._sealed[name]
            aad = {"kind": "VARIABLE", "id": str(secret.id), "field": "value"}
            opened[name] = encryption.decrypt(self._organization_id, **aad, sealed=secret.text)
            self._remember(opened[name])
        return opened

    def remember(self, texts: Iterable[str]) -> None:
        """Mask these texts as well: secrets that were obtained by means of a secret."""
        for text in texts:
            self._remember(text)

    def mask_derived(self, values: Iterable[Any], template: str) -> None:
        """Mask the resolved values of a parameter that contains a secret, and their words that its template lacks."""
        template_words = set(template.split())
        for value in values:
            text = value if isinstance(value, str) else json.dumps(value)
            self._remember(text)
            for word in text.split():
                if word not in template_words:
                    self._remember(word)

    def _remember(self, text: str) -> None:
        """Mask a text, in all of its encodings that are long enough, from now on."""
        self._texts |= {form for form in _list_encodings(text) if len(form) >= MIN_CHARACTERS}

    def mask(self, value: Any) -> Any:
        """Return a JSON value with all that was remembered masked, in keys as in values."""
        if not self._texts:
            return value
        if isinstance(value, str):
            for text in sorted(self._texts, key=len, reverse=True):
                value = value.replace(text, redaction.MASK)
            return value
        if isinstance(value, dict):
            return {self.mask(name): self.mask(inner) for name, inner in value.items()}
        return [self.mask(inner) for inner in value] if isinstance(value, list) else value

    def mask_bytes(self, content: bytes) -> bytes:
        """Return a file's content with all that was remembered masked."""
        for text in sorted(self._texts, key=len, reverse=True):
            content = content.replace(text.encode(errors="replace"), redaction.MASK.encode())
        return content

    @contextmanager
    def masked_logs(self) -> Iterator[None]:
        """Mask log lines as well, within the context."""
        with redaction.masking(self.mask):
            yield


def _list_encodings(text: str) -> Iterator[str]:
    """Yield a text in all encodings in which services commonly return it: JSON, URL, base64, hexadecimal."""
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
