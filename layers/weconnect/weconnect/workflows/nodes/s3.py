"""s3: reads, writes, deletes and lists objects in a bucket of the tenant's, and makes addresses for them."""

import base64
import binascii
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from weconnect import clock
from weconnect.executions.entities import FileReference
from weconnect.workflows.node_sdk import aws_session
from weconnect.workflows.node_sdk.node_type import Call, Item, NodeError, NodeType, Outputs

MAX_INLINE_BYTES = 1024 * 1024
MAX_FILE_BYTES = 20 * 1024 * 1024


class S3Parameters(aws_session.AwsParameters):
    NEEDS: ClassVar[dict[str, tuple[str, ...]]] = dict.fromkeys(("get", "put", "delete", "presign"), ("key",))

    operation: Literal["get", "put", "delete", "list", "presign"]
    """What to do; `presign` makes an address that works without keys."""
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    key: Annotated[str, Field(min_length=1, max_length=1_024)] | None = None
    """The object's name; all but `list` need it."""
    content_as: Literal["text", "base64", "file"] = "text"
    """Of `get` and `put`: what `content` is, up to 1 MB; or a file of the run, up to 20 MB."""
    content: Annotated[str, Field(max_length=2_000_000)] | None = None
    """For `put` of text or base64."""
    file: FileReference | None = None
    """For `put` of a file: what another node answered as `file`."""
    content_type: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """For `put`; none: that of the file, else plain text or unknown."""
    prefix: Annotated[str, Field(max_length=1_024)] = ""
    """For `list`: what the names begin with."""
    start_after: Annotated[str, Field(max_length=1_024)] | None = None
    """For `list`: the name to go on after."""
    max_items: Annotated[int, Field(ge=1, le=1_000)] = 1_000
    """For `list`."""
    method: Literal["get", "put"] = "get"
    """For `presign`: what the address allows."""
    expires_seconds: Annotated[int, Field(ge=1, le=604_800)] = 3_600
    """For `presign`; with an assumed role at most 900."""


def run(call: Call) -> Outputs:
    """For each item what the operation answers; of `list` an item for each object."""
    account = aws_session.Account(call)
    found: list[Item] = []
    for given, _, key in call.effects(S3Parameters):
        client = account.client("s3", given)
        found += _DO[given.operation](call, client, given, key)
    return {"main": found}


def _get(call: Call, client: Any, given: S3Parameters, key: str) -> Iterator[Item]:
    most = MAX_FILE_BYTES if given.content_as == "file" else MAX_INLINE_BYTES
    with aws_session.errors():  # of this client alone: keeping the file is ours
        found = client.get_object(Bucket=given.bucket, Key=given.key)
        with found["Body"] as body:
            if found["ContentLength"] > most:
                hint = "" if given.content_as == "file" else "; read it with contentAs file"
                raise NodeError("too_large", f"The object has more than {most >> 20} MB{hint}")
            content = body.read()
    item = _of(given) | {
        "size": len(content),
        "contentType": found.get("ContentType", ""),
        "etag": found["ETag"].strip('"'),
        "lastModified": clock.iso(found["LastModified"]),
    }
    if given.content_as == "file":
        from weconnect.executions import files

        yield item | {"file": files.keep(call, key, str(given.key), item["contentType"], content)}
    elif given.content_as == "base64":
        yield item | {"content": base64.b64encode(content).decode()}
    else:
        try:
            yield item | {"content": content.decode()}
        except UnicodeDecodeError as error:
            text = "The object is no text in UTF-8: read it with contentAs base64 or file"
            raise NodeError("not_text", text) from error


def _put(call: Call, client: Any, given: S3Parameters, key: str) -> Iterator[Item]:
    content, kind = _content(call, given)
    asked = {"Body": content, "ContentType": given.content_type or kind}
    with aws_session.errors():
        found = client.put_object(Bucket=given.bucket, Key=given.key, **asked)
    yield _of(given) | {"size": len(content), "etag": found["ETag"].strip('"')}


def _content(call: Call, given: S3Parameters) -> tuple[bytes, str]:
    if given.content_as == "file":
        from weconnect.executions import files

        if given.file is None:
            raise NodeError("invalid_parameters", "/file: put of a file needs it")
        return files.load(call, given.file)
    if given.content is None:
        raise NodeError("invalid_parameters", "/content: put needs it")
    kind = "text/plain; charset=utf-8"
    content = given.content.encode(errors="replace")
    if given.content_as == "base64":
        kind = "application/octet-stream"
        try:
            content = base64.b64decode(given.content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise NodeError("invalid_parameters", "/content: is no base64") from error
    if len(content) > MAX_INLINE_BYTES:
        raise NodeError("too_large", f"/content: more than {MAX_INLINE_BYTES >> 20} MB")
    return content, kind


def _delete(call: Call, client: Any, given: S3Parameters, key: str) -> Iterator[Item]:
    with aws_session.errors():
        client.delete_object(Bucket=given.bucket, Key=given.key)
    yield _of(given) | {"deleted": True}


def _list(call: Call, client: Any, given: S3Parameters, key: str) -> Iterator[Item]:
    asked = {"StartAfter": given.start_after} if given.start_after else {}
    with aws_session.errors():
        found = client.list_objects_v2(
            Bucket=given.bucket, Prefix=given.prefix, MaxKeys=given.max_items, **asked
        )
    for each in found.get("Contents", []):
        yield {
            "bucket": given.bucket,
            "key": each["Key"],
            "size": each["Size"],
            "etag": each["ETag"].strip('"'),
            "lastModified": clock.iso(each["LastModified"]),
        }


def _presign(call: Call, client: Any, given: S3Parameters, key: str) -> Iterator[Item]:
    if given.role_arn and given.expires_seconds > aws_session.ROLE_SECONDS:
        text = f"/expiresSeconds: an assumed role's keys last {aws_session.ROLE_SECONDS} s"
        raise NodeError("invalid_parameters", text)
    place = {"Bucket": given.bucket, "Key": given.key}
    until = clock.now() + timedelta(seconds=given.expires_seconds)
    with aws_session.errors():
        url = client.generate_presigned_url(
            f"{given.method}_object", Params=place, ExpiresIn=given.expires_seconds
        )
    if call.secrets and call.secrets.hide(url) != url:
        text = "The address would hold a secret: give accessKeyId as text, and no sessionToken"
        raise NodeError("secret_in_address", text)
    yield _of(given) | {"method": given.method, "url": url, "expiresAt": clock.iso(until)}


def _of(given: S3Parameters) -> Item:
    return {"bucket": given.bucket, "key": given.key}


_DO = {"get": _get, "put": _put, "delete": _delete, "list": _list, "presign": _presign}

NODE = NodeType(
    label="Amazon S3",
    description="Reads, writes, deletes and lists objects in S3, and makes addresses for them.",
    category="aws",
    kind="effect",
    secrets=aws_session.SECRETS,
    parameters=S3Parameters,
    run=run,
)
