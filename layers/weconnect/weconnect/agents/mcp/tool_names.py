"""Names that every client and every model takes: 1 to 64 of letters, digits, `_` and `-`."""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from uuid import UUID

LONGEST = 64
_ID = re.compile(r"_([a-z])([A-Za-z0-9_-]{22})")
ID_LENGTH = 24


def slug(text: str, length: int = LONGEST) -> str:
    """What of a text such a name can hold; may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-zA-Z0-9-]+", "_", plain).strip("_-")[:length].rstrip("_-")


def with_id(name: str, kind: str, id: UUID) -> str:
    """A thing's name with its kind (one letter) and id, so that it is unique, and found without a search.

    The id decides: whoever knows the old name of a renamed thing still reaches it.
    """
    end = base64.urlsafe_b64encode(id.bytes).decode().rstrip("=")
    return f"{slug(name, LONGEST - ID_LENGTH) or 'agent'}_{kind}{end}"


def id_in(name: str) -> tuple[str, UUID] | None:
    """The kind and the id in such a name; None when it is another."""
    found = _ID.fullmatch(name[-ID_LENGTH:]) if len(name) <= LONGEST else None
    if found is None:
        return None
    id = UUID(bytes=base64.urlsafe_b64decode(f"{found[2]}=="))
    return (found[1], id) if with_id("", found[1], id)[-ID_LENGTH:] == found[0] else None


def prefixed(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """`<prefix>__<name>` for each of a server's names, by it: the same each time, and no two alike."""
    made: dict[str, str] = {}
    for name in names:
        plain = f"{prefix}__{re.sub(r'[^a-zA-Z0-9_-]', '_', name)}"
        if len(plain) > LONGEST or plain != f"{prefix}__{name}":
            mark = hashlib.sha256(f"{prefix}__{name}".encode(errors="replace")).hexdigest()[:8]
            # Cut in the middle: of a long prefix, too, some of the name remains.
            head, tail = prefix[: LONGEST - 35], plain[len(prefix) + 2 :][:24]
            plain = f"{head}__{tail}_{mark}"
        made[name] = plain
    return made
