"""s3: reads, writes, deletes and lists objects in a bucket of the tenant's AWS account, and creates URLs for them."""

import base64
import binascii
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from weconnect import clock
from weconnect.node_sdk import aws_session, output_budget
from weconnect.node_sdk.node_type import Item, ItemsByOutput, NodeError, NodeRun, NodeType
from weconnect.workflows.executions.entities import FileReference

MAX_INLINE_BYTES = 1024 * 1024
MAX_FILE_BYTES = 20 * 1024 * 1024


class S3Parameters(aws_session.AwsParameters):
    REQUIRED_BY_OPERATION: ClassVar[dict[str, tuple[str, ...]]] = dict.fromkeys(
        ("get", "put", "delete", "presign"), ("key",)
    )

    operation: Literal["get", "put", "delete", "list", "presign"]
    """The operation. `presign` creates a URL that works without keys."""
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    """Name of the bucket."""
    key: Annotated[str, Field(min_length=1, max_length=1_024)] | None = None
    """Key of the object. Required for all operations but `list`."""
    content_as: Literal["text", "base64", "file"] = "text"
    """For `get` and `put`: content as text or base64, up to 1 MB, or as a file of the execution, up to 20 MB."""
    content: Annotated[str, Field(max_length=2_000_000)] | None = None
    """For `put` of text or base64: the content."""
    file: FileReference | None = None
    """For `put` of a file: the `file` that another node returned."""
    content_type: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """For `put`: content type. Default: that of the file, plain text, or unknown."""
    prefix: Annotated[str, Field(max_length=1_024)] = ""
    """For `list`: prefix of the keys."""
    start_after: Annotated[str, Field(max_length=1_024)] | None = None
    """For `list`: the key after which to start."""
    max_items: Annotated[int, Field(ge=1, le=1_000)] = 1_000
    """For `list`: maximum number of objects."""
    method: Literal["get", "put"] = "get"
    """For `presign`: the method that the URL allows."""
    expires_seconds: Annotated[int, Field(ge=1, le=604_800)] = 3_600
    """For `presign`: seconds until the URL expires; with an assumed role at most 900."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the result of the operation for each item; for `list`, an item for each object."""
    clients = aws_session.AwsClients(node_run)
    items = (
        item
        for parameters, _, key in node_run.resolve_effects(S3Parameters)
        for item in _FUNCTIONS[parameters.operation](
            node_run, clients.client("s3", parameters), parameters, key
        )
    )
    return output_budget.collect(node_run.node.name, {"main": items})


def _get(node_run: NodeRun, client: Any, parameters: S3Parameters, key: str) -> Iterator[Item]:
    """Read an object, as text, base64 or a file of the execution."""
    max_bytes = MAX_FILE_BYTES if parameters.content_as == "file" else MAX_INLINE_BYTES
    with aws_session.translate_errors():  # only for this client: storing the file below is our own call
        response = client.get_object(Bucket=parameters.bucket, Key=parameters.key)
        with response["Body"] as body:
            if response["ContentLength"] > max_bytes:
                hint = "" if parameters.content_as == "file" else " Set contentAs to file."
                raise NodeError("too_large", f"The object has more than {max_bytes >> 20} MB.{hint}")
            content = body.read()
    item = _build_object(parameters) | {
        "size": len(content),
        "contentType": response.get("ContentType", ""),
        "etag": response["ETag"].strip('"'),
        "lastModified": clock.iso(response["LastModified"]),
    }
    if parameters.content_as == "file":
        from weconnect.workflows.executions import files  # cold start

        yield item | {"file": files.store(node_run, key, str(parameters.key), item["contentType"], content)}
    elif parameters.content_as == "base64":
        yield item | {"content": base64.b64encode(content).decode()}
    else:
        try:
            yield item | {"content": content.decode()}
        except UnicodeDecodeError as error:
            text = "The object is not UTF-8 text. Set contentAs to base64 or file."
            raise NodeError("not_text", text) from error


def _put(node_run: NodeRun, client: Any, parameters: S3Parameters, key: str) -> Iterator[Item]:
    """Write an object."""
    content, kind = _load_content(node_run, parameters)
    options = {"Body": content, "ContentType": parameters.content_type or kind}
    with aws_session.translate_errors():
        response = client.put_object(Bucket=parameters.bucket, Key=parameters.key, **options)
    yield _build_object(parameters) | {"size": len(content), "etag": response["ETag"].strip('"')}


def _load_content(node_run: NodeRun, parameters: S3Parameters) -> tuple[bytes, str]:
    """Return the content to write, and its content type. Raises NodeError."""
    if parameters.content_as == "file":
        from weconnect.workflows.executions import files  # cold start

        if parameters.file is None:
            raise NodeError("invalid_parameters", "/file: is required to put a file")
        return files.load(node_run, parameters.file)
    if parameters.content is None:
        raise NodeError("invalid_parameters", "/content: is required for put")
    kind = "text/plain; charset=utf-8"
    content = parameters.content.encode(errors="replace")
    if parameters.content_as == "base64":
        kind = "application/octet-stream"
        try:
            content = base64.b64decode(parameters.content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise NodeError("invalid_parameters", "/content: is not base64") from error
    if len(content) > MAX_INLINE_BYTES:
        raise NodeError(
            "too_large", f"/content: has more than {MAX_INLINE_BYTES >> 20} MB. Put it as a file."
        )
    return content, kind


def _delete(node_run: NodeRun, client: Any, parameters: S3Parameters, key: str) -> Iterator[Item]:
    """Delete an object."""
    with aws_session.translate_errors():
        client.delete_object(Bucket=parameters.bucket, Key=parameters.key)
    yield _build_object(parameters) | {"deleted": True}


def _list(node_run: NodeRun, client: Any, parameters: S3Parameters, key: str) -> Iterator[Item]:
    """Yield the properties of each object with a prefix."""
    options = {"StartAfter": parameters.start_after} if parameters.start_after else {}
    with aws_session.translate_errors():
        response = client.list_objects_v2(
            Bucket=parameters.bucket, Prefix=parameters.prefix, MaxKeys=parameters.max_items, **options
        )
    for each in response.get("Contents", []):
        yield {
            "bucket": parameters.bucket,
            "key": each["Key"],
            "size": each["Size"],
            "etag": each["ETag"].strip('"'),
            "lastModified": clock.iso(each["LastModified"]),
        }


def _presign(node_run: NodeRun, client: Any, parameters: S3Parameters, key: str) -> Iterator[Item]:
    """Create a URL for an object that works without keys. Raises NodeError if it would contain a secret."""
    if parameters.role_arn and parameters.expires_seconds > aws_session.ROLE_SECONDS:
        text = f"/expiresSeconds: must be at most {aws_session.ROLE_SECONDS} with an assumed role"
        raise NodeError("invalid_parameters", text)
    target = {"Bucket": parameters.bucket, "Key": parameters.key}
    until = clock.now() + timedelta(seconds=parameters.expires_seconds)
    with aws_session.translate_errors():
        url = client.generate_presigned_url(
            f"{parameters.method}_object", Params=target, ExpiresIn=parameters.expires_seconds
        )
    if node_run.secrets and node_run.secrets.hide(url) != url:
        text = "The URL would contain a secret. Give accessKeyId as text, and no sessionToken."
        raise NodeError("secret_in_address", text)
    yield _build_object(parameters) | {"method": parameters.method, "url": url, "expiresAt": clock.iso(until)}


def _build_object(parameters: S3Parameters) -> Item:
    """Return the bucket and the key of the object."""
    return {"bucket": parameters.bucket, "key": parameters.key}


_FUNCTIONS = {"get": _get, "put": _put, "delete": _delete, "list": _list, "presign": _presign}

NODE = NodeType(
    label="Amazon S3",
    description="Reads, writes, deletes and lists objects in S3, and creates presigned URLs. Returns their properties.",
    category="aws",
    kind="effect",
    parameters=S3Parameters,
    run=run,
)
