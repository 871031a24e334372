"""Texts too long for a row, and files. They go to S3 under their organization's prefix; a pointer takes their place.

A pointer is `{"payload": "organizations/<organization>/<name>", "bytes": 123456, "head": "…"}`. The bucket's life cycle
removes objects by their tag `retention`.
"""

import functools
from typing import Any
from urllib.parse import quote
from uuid import UUID

from weconnect.errors import Invalid, Problem
from weconnect.settings import settings

INLINE_BYTES = 32 * 1024
PREVIEW_CHARACTERS = 500
RETENTIONS = (7, 30, 90, 365)

Pointer = dict[str, Any]


class PayloadGone(Problem):
    status, code, title = 410, "payload_expired", "Its content is no longer kept"


def store(
    organization_id: UUID | str,
    name: str,
    text: str,
    retention_days: int | None = None,
    inline_bytes: int = INLINE_BYTES,
) -> str | Pointer:
    """The text itself when it has at most `inline_bytes` in UTF-8, else a pointer to it in the bucket.

    It is kept for `retention_days` rounded up to 7, 30, 90 or 365, or until it is discarded; the same name
    overwrites.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        raise Invalid("The text holds half a surrogate pair, which is no character") from error
    if len(content) <= inline_bytes:
        return text
    pointer = store_file(organization_id, name, content, "text/plain; charset=utf-8", retention_days)
    return pointer | {"head": text[:PREVIEW_CHARACTERS]}


def store_file(
    organization_id: UUID | str,
    name: str,
    content: bytes,
    content_type: str,
    retention_days: int | None = None,
) -> Pointer:
    """A pointer to content of any kind and length, which is kept as a long text is."""
    place = prefix_of(organization_id) + quote(name, safe="/")
    if not _is_plain(place):
        raise ValueError(f"{name!r} is no name for a payload")
    s3().put_object(
        Bucket=settings.bucket_name,
        Key=place,
        Body=content,
        ContentType=content_type,
        **_tagging(retention_days),
    )
    return {"payload": place, "bytes": len(content)}


def _tagging(days: int | None) -> dict[str, str]:
    if days is None:
        return {}
    retention = next((kept for kept in RETENTIONS if kept >= days), None)
    if retention is None:
        raise ValueError(f"Payloads are kept for {RETENTIONS[-1]} days at most")
    return {"Tagging": f"retention={retention}"}


def load(organization_id: UUID | str, value: str | Pointer) -> str:
    """The text behind what `store` answered; raises PayloadGone when it has expired.

    Raises ValueError for a pointer out of this organization.
    """
    return value if isinstance(value, str) else load_file(organization_id, value).decode()


def load_file(organization_id: UUID | str, pointer: Pointer) -> bytes:
    """The content behind what `store_file` answered; raises as `load` does."""
    try:
        found = s3().get_object(Bucket=settings.bucket_name, Key=_place(organization_id, pointer))
    except s3().exceptions.NoSuchKey as error:
        raise PayloadGone() from error
    return bytes(found["Body"].read())


def address(organization_id: UUID | str, pointer: Pointer, seconds: int, **headers: str) -> str:
    """An address that gives what is behind a pointer to whoever has it, for so long.

    `headers` are those of its answer, as S3 names them: `ResponseContentDisposition`.
    """
    place = {"Bucket": settings.bucket_name, "Key": _place(organization_id, pointer)}
    return str(s3().generate_presigned_url("get_object", Params=place | headers, ExpiresIn=seconds))


def preview(value: str | Pointer) -> str:
    """The text, or the beginning of a long one, without fetching it."""
    return value if isinstance(value, str) else f"{value['head']}…"


def discard(organization_id: UUID | str, value: str | Pointer) -> None:
    """Delete the text behind what `store` answered."""
    if not isinstance(value, str):
        s3().delete_object(Bucket=settings.bucket_name, Key=_place(organization_id, value))


def discard_all(organization_id: UUID | str, names: str = "") -> None:
    """Delete all that an organization has stored, or what has names that begin so."""
    pages = s3().get_paginator("list_objects_v2")
    prefix = prefix_of(organization_id) + names
    for page in pages.paginate(Bucket=settings.bucket_name, Prefix=prefix):
        if found := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
            s3().delete_objects(Bucket=settings.bucket_name, Delete={"Objects": found, "Quiet": True})


def _place(organization_id: UUID | str, pointer: Pointer) -> str:
    place = pointer.get("payload")
    if not isinstance(place, str) or not place.startswith(prefix_of(organization_id)) or not _is_plain(place):
        raise ValueError("This pointer does not belong to the organization")
    return place


@functools.cache
def s3() -> Any:
    """The S3 client, made at its first use."""
    import boto3
    from botocore.config import Config

    patience = Config(
        connect_timeout=2,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 3},
        signature_version="s3v4",  # an address that is handed out opens what KMS encrypts only so
        # An emulator's host has no names for buckets.
        s3={"addressing_style": "path"} if settings.endpoint_url else {},
    )
    return boto3.client(
        "s3", region_name=settings.region, endpoint_url=settings.endpoint_url, config=patience
    )


def prefix_of(organization_id: UUID | str) -> str:
    """What the names of all payloads of an organization begin with."""
    return f"organizations/{quote(str(organization_id), safe='')}/"


def _is_plain(place: str) -> bool:
    """Whether a key has no part that something on the way could take for a step out of its prefix."""
    return not {"", ".", ".."} & set(place.split("/"))
