"""Envelope encryption of secrets: a data key per organization, itself wrapped by the deployment's KMS key.

A sealed text is `wc1.<data key>.<secret version>.<base64url of nonce and ciphertext>`. Organization, kind,
id, field and the secret's own version are authenticated with it, so it opens only where it belongs.
"""

import base64
import functools
import json
import os
from typing import Any
from uuid import UUID

from pynamodb.attributes import BinaryAttribute, NumberAttribute

from weconnect import clock
from weconnect.db.table import Row, create, get, key
from weconnect.errors import Conflict, Problem
from weconnect.settings import settings

PLATFORM = "PLATFORM"
"""The organization of what belongs to none, such as a user's second factor."""

CACHE_SECONDS = 300
_FORMAT = "wc1"
_NONCE_BYTES = 12
_CURRENT = 1

_cache: dict[tuple[str, int], tuple[int, bytes]] = {}


class CannotOpen(Problem):
    status, code, title = 500, "secret_unreadable", "A stored secret cannot be read"


class DataKeyRow(Row, discriminator="DATAKEY"):
    """A data key, wrapped by KMS under the encryption context of its organization."""

    number = NumberAttribute()
    wrapped = BinaryAttribute(legacy_encoding=False)

    @staticmethod
    def at(organization_id: str, number: int) -> tuple[str, str]:
        return key("ORG", organization_id), key("DATAKEY", f"{number:06d}")


def encrypt(
    organization_id: UUID | str, *, kind: str, id: UUID | str, field: str, text: str, secret_version: int = 1
) -> str:
    """Seal `text` for one field of one row; `secret_version` is the secret's own number, not the row's."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    place = _place(organization_id, kind, id, field, secret_version)
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + AESGCM(_data_key(str(organization_id), _CURRENT, make=True)).encrypt(
        nonce, text.encode(), place
    )
    encoded = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
    return f"{_FORMAT}.{_CURRENT}.{secret_version}.{encoded}"


def decrypt(organization_id: UUID | str, *, kind: str, id: UUID | str, field: str, sealed: str) -> str:
    """Open what `encrypt` sealed for this very place; raises CannotOpen when it was sealed for another."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    number, secret_version, content = _parts(sealed)
    place = _place(organization_id, kind, id, field, secret_version)
    data_key = _data_key(str(organization_id), number)
    try:
        return AESGCM(data_key).decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], place).decode()
    except InvalidTag as error:
        raise CannotOpen(
            f"The {field} of {kind} {id} was sealed for another place, or was changed"
        ) from error


def version_of(sealed: str) -> int:
    """The number of the secret that stands in a sealed text."""
    return _parts(sealed)[1]


def masked(text: str) -> str:
    """A preview that gives little of a secret away: its last four characters, if it has twelve or more."""
    return "••••" + (text[-4:] if len(text) >= 12 else "")


@functools.cache
def kms() -> Any:
    """The KMS client, made at its first use."""
    import boto3
    from botocore.config import Config

    patience = Config(
        connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3}
    )
    return boto3.client(
        "kms", region_name=settings.region, endpoint_url=settings.endpoint_url, config=patience
    )


def _place(organization_id: UUID | str, kind: str, id: UUID | str, field: str, secret_version: int) -> bytes:
    """What is authenticated with a secret; JSON, so that no two places look alike."""
    return json.dumps([_FORMAT, str(organization_id), kind, str(id), field, secret_version]).encode()


def _parts(sealed: str) -> tuple[int, int, bytes]:
    try:
        form, number, secret_version, encoded = sealed.split(".")
        content = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        if form != _FORMAT or len(content) < _NONCE_BYTES + 16:
            raise ValueError
        return int(number), int(secret_version), content
    except ValueError as error:
        raise CannotOpen("This is not a sealed text") from error


def _data_key(organization_id: str, number: int, *, make: bool = False) -> bytes:
    """An organization's data key in the clear, remembered for five minutes; `make` it when it is missing."""
    moment = clock.epoch()
    for old in [place for place, (until, _) in _cache.items() if until <= moment]:
        del _cache[old]
    place = (organization_id, number)
    if place not in _cache:
        _cache[place] = moment + CACHE_SECONDS, _read(organization_id, number, make)
    return _cache[place][1]


def _read(organization_id: str, number: int, make: bool) -> bytes:
    at = DataKeyRow.at(organization_id, number)
    row = get(DataKeyRow, at)
    if row is None and make:
        made = kms().generate_data_key(
            KeyId=settings.key_arn, KeySpec="AES_256", EncryptionContext=_context(organization_id)
        )
        row = DataKeyRow(pk=at[0], sk=at[1], number=number, wrapped=made["CiphertextBlob"])
        try:
            create(row, {"system": "encryption"})
        except Conflict:  # another process was faster, and its key is the one
            row = get(DataKeyRow, at)
        else:
            return bytes(made["Plaintext"])
    if row is None:
        raise CannotOpen("The data key that it was sealed with is gone")
    return _unwrap(organization_id, row.wrapped)


def _unwrap(organization_id: str, wrapped: bytes) -> bytes:
    from botocore.exceptions import ClientError

    try:
        found = kms().decrypt(
            CiphertextBlob=wrapped, KeyId=settings.key_arn, EncryptionContext=_context(organization_id)
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidCiphertextException":
            raise
        raise CannotOpen("The data key belongs to another organization") from error
    return bytes(found["Plaintext"])


def _context(organization_id: str) -> dict[str, str]:
    return {"organizationId": organization_id}
