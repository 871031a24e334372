"""The payload store: texts too long for a row, and files. They go to S3 under their organization's prefix.

A pointer, `{"payload": "organizations/<organization>/<name>", "bytes": 123456, "head": "…"}`, replaces such a text in
its row. The bucket's life cycle removes objects by their tag `retention`.
"""

import functools
from typing import Any, NotRequired, TypedDict
from urllib.parse import quote
from uuid import UUID

from weconnect.db.errors import PayloadExpired
from weconnect.errors import Invalid
from weconnect.log import logger
from weconnect.settings import settings

INLINE_BYTES = 32 * 1024
PREVIEW_CHARACTERS = 500
RETENTIONS = (7, 30, 90, 365, 1_095)
EXECUTION_DAYS = RETENTIONS[-1]
"""The days after which a payload of an execution is removed when it was not deleted with that.

An execution lives for a year, is kept for another one, and may have been queued before.
"""


class Pointer(TypedDict):
    """A pointer to content in the bucket: its storage key, its length, and the beginning of a text."""

    payload: str
    bytes: int
    head: NotRequired[str]


StoredText = str | Pointer
"""A text, or the pointer to a longer one."""


def store(
    organization_id: UUID | str,
    name: str,
    text: str,
    retention_days: int | None = None,
    inline_bytes: int = INLINE_BYTES,
) -> StoredText:
    """Return the text itself when it has at most `inline_bytes` in UTF-8, else store it and return a pointer.

    A payload lives for `retention_days`, rounded up to one of RETENTIONS, or until it is discarded; the same name
    overwrites. Raises Invalid for half a surrogate pair.
    """
    if len(_encode(text)) <= inline_bytes:
        return text
    return store_text(organization_id, name, text, retention_days)


def store_text(
    organization_id: UUID | str, name: str, text: str, retention_days: int | None = None
) -> Pointer:
    """Store a text of any length, as `store` does with a long one, and return its pointer."""
    content_type = "text/plain; charset=utf-8"
    pointer = store_file(organization_id, name, _encode(text), content_type, retention_days)
    return {**pointer, "head": text[:PREVIEW_CHARACTERS]}


def store_file(
    organization_id: UUID | str,
    name: str,
    content: bytes,
    content_type: str,
    retention_days: int | None = None,
) -> Pointer:
    """Store content of any type and length, and return its pointer. It lives as long as a text of `store`."""
    storage_key = storage_prefix(organization_id) + quote(name, safe="/")
    if not _is_plain(storage_key):
        raise ValueError(f"{name!r} is not a valid name of a payload")
    s3_client().put_object(
        Bucket=settings.bucket_name,
        Key=storage_key,
        Body=content,
        ContentType=content_type,
        **_build_tagging(retention_days),
    )
    return {"payload": storage_key, "bytes": len(content)}


def _encode(text: str) -> bytes:
    """Return a text in UTF-8. Raises Invalid for half a surrogate pair."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Invalid("The text contains half a surrogate pair. Send valid Unicode.") from error


def _build_tagging(days: int | None) -> dict[str, str]:
    """Return S3's `Tagging` for a retention of at least `days`; empty for None. Raises ValueError for too many."""
    return {} if days is None else {"Tagging": f"retention={_choose_retention(days)}"}


def _choose_retention(days: int) -> int:
    """Return the shortest retention of at least `days`. Raises ValueError beyond the longest."""
    retention = next((retention for retention in RETENTIONS if retention >= days), None)
    if retention is None:
        raise ValueError(f"Payloads are retained for at most {RETENTIONS[-1]} days")
    return retention


def load(organization_id: UUID | str, value: StoredText) -> str:
    """Return the text of what `store` returned.

    Raises PayloadExpired when its retention period is over, and ValueError for a pointer of another organization.
    """
    return value if isinstance(value, str) else load_file(organization_id, value).decode()


def load_file(organization_id: UUID | str, pointer: Pointer) -> bytes:
    """Return the content of what `store_file` stored; raises as `load` does."""
    from botocore.exceptions import ClientError  # cold start

    storage_key = _require_storage_key(organization_id, pointer)
    try:
        response = s3_client().get_object(Bucket=settings.bucket_name, Key=storage_key)
    except ClientError as error:
        # S3 does not tell a role that may not list the bucket that an object is missing.
        if error.response["Error"]["Code"] not in ("NoSuchKey", "AccessDenied"):
            raise
        logger.warning("payload not found", storage_key=storage_key, error=error.response["Error"])
        raise PayloadExpired() from error
    return bytes(response["Body"].read())


def retain(organization_id: UUID | str, value: StoredText, days: int) -> None:
    """Keep the payload of what `store` returned, if it has one, for `days` from when it was stored."""
    if not isinstance(value, str):
        s3_client().put_object_tagging(
            Bucket=settings.bucket_name,
            Key=_require_storage_key(organization_id, value),
            Tagging={"TagSet": [{"Key": "retention", "Value": str(_choose_retention(days))}]},
        )


def presigned_url(organization_id: UUID | str, pointer: Pointer, seconds: int, **headers: str) -> str:
    """Return a URL that serves the content of a pointer to anyone who has it, for `seconds`.

    `headers` override those of the response, by their names in S3's API: `ResponseContentDisposition`.
    """
    params = {
        "Bucket": settings.bucket_name,
        "Key": _require_storage_key(organization_id, pointer),
        **headers,
    }
    return str(s3_client().generate_presigned_url("get_object", Params=params, ExpiresIn=seconds))


def preview(value: StoredText) -> str:
    """Return a text, or the beginning of a long one, without loading it."""
    return value if isinstance(value, str) else f"{value.get('head', '')}…"


def discard(organization_id: UUID | str, value: StoredText) -> None:
    """Delete the payload of what `store` returned, if it has one."""
    if not isinstance(value, str):
        s3_client().delete_object(
            Bucket=settings.bucket_name, Key=_require_storage_key(organization_id, value)
        )


def discard_all(organization_id: UUID | str, name_prefix: str = "") -> None:
    """Delete all payloads of an organization whose names begin with `name_prefix`."""
    pages = s3_client().get_paginator("list_objects_v2")
    prefix = storage_prefix(organization_id) + name_prefix
    for page in pages.paginate(Bucket=settings.bucket_name, Prefix=prefix):
        if keys := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
            s3_client().delete_objects(Bucket=settings.bucket_name, Delete={"Objects": keys, "Quiet": True})


@functools.cache
def s3_client() -> Any:
    """Return the S3 client, created at its first use."""
    import boto3  # cold start
    from botocore.config import Config  # cold start

    config = Config(
        connect_timeout=2,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 3},
        signature_version="s3v4",  # what KMS encrypts is served by a presigned URL of this version alone
        # An emulator's host has no names for buckets.
        s3={"addressing_style": "path"} if settings.endpoint_url else {},
    )
    return boto3.client("s3", region_name=settings.region, endpoint_url=settings.endpoint_url, config=config)


def storage_prefix(organization_id: UUID | str) -> str:
    """Return the prefix of the storage keys of all payloads of an organization."""
    return f"organizations/{quote(str(organization_id), safe='')}/"


def _require_storage_key(organization_id: UUID | str, pointer: Pointer) -> str:
    """Return the storage key of a pointer. Raises ValueError unless it is one of the organization's."""
    storage_key = pointer.get("payload")
    prefix = storage_prefix(organization_id)
    if not isinstance(storage_key, str) or not storage_key.startswith(prefix) or not _is_plain(storage_key):
        raise ValueError("This pointer does not belong to the organization")
    return storage_key


def _is_plain(storage_key: str) -> bool:
    """Return whether a storage key has no part that could lead out of its prefix: empty, `.` or `..`."""
    return not {"", ".", ".."} & set(storage_key.split("/"))
