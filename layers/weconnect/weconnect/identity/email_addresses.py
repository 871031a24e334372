"""The one form in which e-mail addresses are stored and compared."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

_ADDRESS = re.compile(r"[^\s@\"(),:;<>\[\\\]]{1,64}@[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")
"""One bare address: without the characters by which RFC 5322 quotes, comments, names and lists addresses."""


def normalize_email(text: str) -> str:
    """Return an e-mail address in NFKC and lower case with its domain in IDNA; raise ValueError for anything else.

    All that takes an address takes it in this form, so that no two spellings count, or get mails, apart.
    """
    local, at, domain = unicodedata.normalize("NFKC", text).strip().lower().rpartition("@")
    try:
        address = f"{local}{at}{domain.encode('idna').decode()}"
    except UnicodeError:
        address = ""
    if not address.isprintable() or not _ADDRESS.fullmatch(address):
        raise ValueError("must be one e-mail address, such as ada@example.com")
    return address


def domain_of(address: str) -> str:
    """Return the domain of a normalized e-mail address: `example.com` for `ada@example.com`."""
    return address.rpartition("@")[2]


Email = Annotated[str, Field(max_length=255), AfterValidator(normalize_email)]
