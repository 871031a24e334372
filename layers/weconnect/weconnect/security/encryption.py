"""Envelope encryption of secrets: a data key per organization, itself wrapped by the deployment's KMS key.

A sealed text is `wc1.<data key>.<secret version>.<base64url of nonce and ciphertext>`. Organization, kind, id, field
and the secret's own version are authenticated with it, so it can be decrypted only for the field it was sealed for.
"""

import base64
import functools
import json
import os
from typing import Any
from uuid import UUID

from pynamodb.attributes import Attribute

from weconnect import clock
from weconnect.aws_errors import is_temporary
from weconnect.db.table import Row, create, get, key, stored
from weconnect.errors import Conflict, Unavailable
from weconnect.security.errors import SecretUnreadable
from weconnect.settings import settings

PLATFORM = "PLATFORM"
"""The organization of secrets that belong to none, such as a user's second factor."""

CACHE_SECONDS = 300
MAX_STALE_SECONDS = 3_600
_FORMAT = "wc1"
_NONCE_BYTES = 12
_CURRENT = 1

_cache: dict[tuple[str, int], tuple[int, bytes]] = {}


class DataKeyRow(Row, discriminator="DATAKEY"):
    """A data key, wrapped by KMS under the encryption context of its organization."""

    number: Attribute[int] = stored()
    wrapped: Attribute[bytes] = stored()

    @staticmethod
    def at(organization_id: str, number: int) -> tuple[str, str]:
        """Return the key (pk, sk) of an organization's data key with this number."""
        return key("ORG", organization_id), key("DATAKEY", f"{number:06d}")


def encrypt(
    organization_id: UUID | str, *, kind: str, id: UUID | str, field: str, text: str, secret_version: int = 1
) -> str:
    """Return `text` sealed for one field of one row; `secret_version` is the secret's own number, not the row's."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # cold start

    aad = _build_associated_data(organization_id, kind, id, field, secret_version)
    nonce = os.urandom(_NONCE_BYTES)
    data_key = _load_data_key(str(organization_id), _CURRENT, may_create=True)
    sealed = nonce + AESGCM(data_key).encrypt(nonce, text.encode(), aad)
    encoded = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
    return f"{_FORMAT}.{_CURRENT}.{secret_version}.{encoded}"


def decrypt(organization_id: UUID | str, *, kind: str, id: UUID | str, field: str, sealed: str) -> str:
    """Return the text that `encrypt` sealed for this field. Raises SecretUnreadable when it was for another."""
    from cryptography.exceptions import InvalidTag  # cold start
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # cold start

    number, secret_version, content = _parse(sealed)
    aad = _build_associated_data(organization_id, kind, id, field, secret_version)
    data_key = _load_data_key(str(organization_id), number)
    try:
        return AESGCM(data_key).decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], aad).decode()
    except InvalidTag as error:
        text = f"The {field} of {kind} {id} was sealed for another field, or was changed. Store it again."
        raise SecretUnreadable(text) from error


def secret_version_of(sealed: str) -> int:
    """Return the secret's own version number, from a sealed text."""
    return _parse(sealed)[1]


def mask(text: str) -> str:
    """Return a preview that reveals little of a secret: its last four characters, if it has twelve or more."""
    return "••••" + (text[-4:] if len(text) >= 12 else "")


@functools.cache
def kms_client() -> Any:
    """Return the KMS client, created at its first use."""
    import boto3  # cold start
    from botocore.config import Config  # cold start

    config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client("kms", region_name=settings.region, endpoint_url=settings.endpoint_url, config=config)


def _build_associated_data(
    organization_id: UUID | str, kind: str, id: UUID | str, field: str, secret_version: int
) -> bytes:
    """Return the data that is authenticated with a secret; JSON, so that no two fields have the same."""
    return json.dumps([_FORMAT, str(organization_id), kind, str(id), field, secret_version]).encode()


def _parse(sealed: str) -> tuple[int, int, bytes]:
    """Return the number of the data key, the secret's version, and nonce with ciphertext."""
    try:
        form, number, secret_version, encoded = sealed.split(".")
        content = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        if form != _FORMAT or len(content) < _NONCE_BYTES + 16:
            raise ValueError
        return int(number), int(secret_version), content
    except ValueError as error:
        raise SecretUnreadable("This is not a sealed text") from error


def _load_data_key(organization_id: str, number: int, *, may_create: bool = False) -> bytes:
    """Return an organization's data key in the clear, cached for five minutes; create a missing one if allowed.

    While it cannot be read again because a service does not respond, the cached one is used for up to an hour. Raises
    SecretUnreadable, and Unavailable when a service does not respond.
    """
    moment, cache_key = clock.epoch_seconds(), (organization_id, number)
    for cached, (until, _) in list(_cache.items()):
        if until + (MAX_STALE_SECONDS if cached == cache_key else 0) <= moment:
            del _cache[cached]
    until, data_key = _cache.get(cache_key, (0, b""))
    if until <= moment:
        try:
            data_key = _read_data_key(organization_id, number, may_create)
        except Exception as error:
            if not is_temporary(error):
                raise
            if not data_key:
                detail = "The key of the organization's secrets cannot be read at present. Try again shortly."
                raise Unavailable(detail) from error
            return data_key
        _cache[cache_key] = moment + CACHE_SECONDS, data_key
    return data_key


def _read_data_key(organization_id: str, number: int, may_create: bool) -> bytes:
    """Return a data key in the clear; create it when it is missing and `may_create`, else raise SecretUnreadable."""
    at = DataKeyRow.at(organization_id, number)
    row = get(DataKeyRow, at)
    if row is None and may_create:
        data_key = kms_client().generate_data_key(
            KeyId=settings.key_arn,
            KeySpec="AES_256",
            EncryptionContext=_build_encryption_context(organization_id),
        )
        row = DataKeyRow(pk=at[0], sk=at[1], number=number, wrapped=data_key["CiphertextBlob"])
        try:
            create(row, {"system": "encryption"})
        except Conflict:  # another process created one first, and its key is the one
            row = get(DataKeyRow, at)
        else:
            return bytes(data_key["Plaintext"])
    if row is None:
        raise SecretUnreadable("The data key that the secret was sealed with is gone")
    return _unwrap(organization_id, row.wrapped)


def _unwrap(organization_id: str, wrapped: bytes) -> bytes:
    """Return a data key in the clear, from KMS. Raises SecretUnreadable for another organization's."""
    from botocore.exceptions import ClientError  # cold start

    try:
        response = kms_client().decrypt(
            CiphertextBlob=wrapped,
            KeyId=settings.key_arn,
            EncryptionContext=_build_encryption_context(organization_id),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidCiphertextException":
            raise
        raise SecretUnreadable("The data key belongs to another organization") from error
    return bytes(response["Plaintext"])


def _build_encryption_context(organization_id: str) -> dict[str, str]:
    """Return KMS's encryption context, which ties a data key to its organization."""
    return {"organizationId": organization_id}
