"""Tool names that every client and model accepts: 1 to 64 letters, digits, `_` and `-`."""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from uuid import UUID

MAX_LENGTH = 64
_ID = re.compile(r"_([a-z])([A-Za-z0-9_-]{22})")
ID_LENGTH = 24


def slug(text: str, length: int = MAX_LENGTH) -> str:
    """Return the part of a text that such a name can hold; may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-zA-Z0-9-]+", "_", plain).strip("_-")[:length].rstrip("_-")


def with_id(name: str, kind: str, id: UUID) -> str:
    """Return a resource's name with its kind (one letter) and id, so that it is unique and can be read by its key.

    Only the id counts: the tool of a renamed resource can still be called by its old name.
    """
    end = base64.urlsafe_b64encode(id.bytes).decode().rstrip("=")
    return f"{slug(name, MAX_LENGTH - ID_LENGTH) or 'agent'}_{kind}{end}"


def parse_id(name: str) -> tuple[str, UUID] | None:
    """Return the kind and the id in a name made by `with_id`; None for any other name."""
    match = _ID.fullmatch(name[-ID_LENGTH:]) if len(name) <= MAX_LENGTH else None
    if match is None:
        return None
    id = UUID(bytes=base64.urlsafe_b64decode(f"{match[2]}=="))
    return (match[1], id) if with_id("", match[1], id)[-ID_LENGTH:] == match[0] else None


def prefix_names(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """Return `<prefix>__<name>`, shortened and made unique, by the server's own name. Deterministic."""
    names_by_original: dict[str, str] = {}
    for name in names:
        plain = f"{prefix}__{re.sub(r'[^a-zA-Z0-9_-]', '_', name)}"
        if len(plain) > MAX_LENGTH or plain != f"{prefix}__{name}":
            mark = hashlib.sha256(f"{prefix}__{name}".encode(errors="replace")).hexdigest()[:8]
            # Cut in the middle, so that part of the name remains even behind a long prefix.
            head, tail = prefix[: MAX_LENGTH - 35], plain[len(prefix) + 2 :][:24]
            plain = f"{head}__{tail}_{mark}"
        names_by_original[name] = plain
    return names_by_original
