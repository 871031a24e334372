"""Files that nodes have received: the content in the payload store, a row beside the others of the execution.

A file is deleted with its execution. In an item it is `{"fileId", "executionId", "name",
"contentType", "size"}`. It names its execution, because a subworkflow, or a retry that reuses outputs, sees items of
another one.
"""

import re
from datetime import timedelta
from urllib.parse import quote
from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.db import payloads, table
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.retention import compute_expiry
from weconnect.node_sdk.node_type import Item, NodeError, NodeRun
from weconnect.workflows.executions import service
from weconnect.workflows.executions.entities import ExecutionFile, FileReference
from weconnect.workflows.executions.errors import FileNotFound
from weconnect.workflows.executions.rows import FileRow

DOWNLOAD_SECONDS = 300
UNKNOWN_TYPE = "application/octet-stream"

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")


def store(node_run: NodeRun, key: str, name: str, content_type: str, content: bytes) -> Item:
    """Store a file that an effect has received and return it as it appears in an item. Idempotent by the effect's key.

    A node that is tested by itself has no execution to store it with: then nothing is stored, and `fileId` is null.
    """
    if node_run.secrets:
        name, content_type = node_run.secrets.hide(name), node_run.secrets.hide(content_type)
        content = node_run.secrets.hide_bytes(content)
    name, media_type = sanitize_name(name), normalize_media_type(content_type)
    description = {"name": name, "contentType": media_type, "size": len(content)}
    if node_run.execution_key is None:
        return {"fileId": None, "executionId": None, **description}
    organization_id, execution_id = node_run.organization_id, node_run.execution_id
    file_id, days = ids.derived_from(execution_id, f"file {key}"), node_run.retention_days
    storage_name = f"runs/{execution_id}/files/{file_id}"
    pointer = payloads.store_file(
        organization_id, storage_name, content, media_type, days or payloads.EXECUTION_DAYS
    )
    pk, sk = FileRow.at(organization_id, execution_id, file_id)
    row = FileRow(pk=pk, sk=sk, name=name, content_type=media_type, size=len(content), pointer=pointer)
    row.ttl = compute_expiry(clock.now(), days) if days else None
    table.put(row, ACTOR)
    return {"fileId": str(file_id), "executionId": str(execution_id), **description}


def load(node_run: NodeRun, reference: FileReference) -> tuple[bytes, str]:
    """Return the content and the media type of a file of the same organization. Raises NodeError `file_not_found`."""
    at = FileRow.at(node_run.organization_id, reference.execution_id, reference.file_id)
    row = table.get(FileRow, at)
    if row is None:
        raise NodeError(
            "file_not_found", f"/file: the file {reference.file_id} does not exist or has expired"
        )
    return payloads.load_file(node_run.organization_id, row.pointer), row.content_type


def create_download(caller: Caller, execution_id: UUID, file_id: UUID) -> ExecutionFile:
    """Return a file with a URL that is valid for five minutes; browsers save the file instead of showing it.

    Raises ExecutionNotFound, Forbidden, FileNotFound.
    """
    service.require(caller, execution_id, "view")
    at = FileRow.at(caller.organization_id, execution_id, file_id)
    row = table.require(FileRow, at, FileNotFound)
    return ExecutionFile(
        file_id=file_id,
        execution_id=execution_id,
        name=row.name,
        content_type=row.content_type,
        size=int(row.size),
        url=sign_url(caller.organization_id, row),
        expires_at=clock.now() + timedelta(seconds=DOWNLOAD_SECONDS),
    )


def sign_url(organization_id: UUID, row: FileRow) -> str:
    """Return the presigned URL of a file; the headers of its response are signed as well."""
    plain = row.name.encode("ascii", "replace").decode().replace("?", "_")
    encoded = quote(row.name, safe="")
    return payloads.presigned_url(
        organization_id,
        row.pointer,
        DOWNLOAD_SECONDS,
        ResponseContentDisposition=f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}",
        ResponseContentType=row.content_type,
        ResponseCacheControl="private, no-store",
    )


def sanitize_name(name: str) -> str:
    """Return a file's name without its folder and without characters that headers and file systems treat specially."""
    last = re.split(r"[/\\]", name)[-1]
    text = "".join(each for each in last if each.isprintable() and each not in '"*:<>?|;%')
    return text.encode(errors="ignore").decode().strip(" .")[:200] or "file"


def normalize_media_type(content_type: str) -> str:
    """Return the media type in lower case, without parameters; `application/octet-stream` for anything invalid."""
    media_type = content_type.split(";")[0].strip().lower()
    return media_type if _MEDIA_TYPE.fullmatch(media_type) else UNKNOWN_TYPE
