"""Files that nodes of a run have got: their content in the payload store, a row beside the run's others.

A file is kept as long as its run and goes with it. An item holds it as `{"fileId", "executionId", "name",
"contentType", "size"}`. It names its run, since a subworkflow, and a retry that keeps outputs, see items of another.
"""

import re
from datetime import timedelta
from urllib.parse import quote
from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.db import payloads, table
from weconnect.executions import service
from weconnect.executions.entities import ExecutionFile, FileReference
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.rows import FileRow
from weconnect.workflows.node_sdk.node_type import Call, Item, NodeError
from weconnect.workflows.sharing import access

ADDRESS_SECONDS = 300
UNKNOWN_TYPE = "application/octet-stream"

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")


def keep(call: Call, key: str, name: str, content_type: str, content: bytes) -> Item:
    """Store a file that an effect with this key has got; the same key again replaces it.

    A node that is tried by itself has no run that could hold it: then `fileId` is null, and nothing is kept.
    """
    if call.secrets:
        name, content = call.secrets.hide(name), call.secrets.hide_content(content)
    name, kind = plain_name(name), plain_type(content_type)
    found = {"name": name, "contentType": kind, "size": len(content)}
    if call.run_key is None:
        return {"fileId": None, "executionId": None, **found}
    file_id, days = ids.derived_from(call.run_id, f"file {key}"), call.retention_days
    place = f"runs/{call.run_id}/files/{file_id}"
    pointer = payloads.store_file(call.organization_id, place, content, kind, days)
    pk, sk = FileRow.at(call.organization_id, call.run_id, file_id)
    row = FileRow(pk=pk, sk=sk, name=name, content_type=kind, size=len(content), pointer=pointer)
    row.ttl = clock.epoch() + days * 86_400
    table.put(row, ACTOR)
    return {"fileId": str(file_id), "executionId": str(call.run_id), **found}


def load(call: Call, reference: FileReference) -> tuple[bytes, str]:
    """Content and type of a file of the same organization; raises NodeError `file_not_found`."""
    row = table.get(FileRow, FileRow.at(call.organization_id, reference.execution_id, reference.file_id))
    if row is None:
        raise NodeError("file_not_found", f"/file: there is no file {reference.file_id} any more")
    return payloads.load_file(call.organization_id, row.pointer), row.content_type


def address(caller: Caller, execution_id: UUID, file_id: UUID) -> ExecutionFile:
    """A file with an address for five minutes, at which browsers save it and show nothing; raises NotFound."""
    service.need(caller, execution_id, access.SEE_RUN)
    row = table.need(FileRow, FileRow.at(caller.organization_id, execution_id, file_id), "file")
    return ExecutionFile(
        file_id=file_id,
        execution_id=execution_id,
        name=row.name,
        content_type=row.content_type,
        size=int(row.size),
        url=signed(caller.organization_id, row),
        expires_at=clock.now() + timedelta(seconds=ADDRESS_SECONDS),
    )


def signed(organization_id: UUID, row: FileRow) -> str:
    """The address of a file; what its answer says of the content is signed as well."""
    plain = row.name.encode("ascii", "replace").decode().replace("?", "_")
    return payloads.address(
        organization_id,
        row.pointer,
        ADDRESS_SECONDS,
        ResponseContentDisposition=f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(row.name, safe='')}",
        ResponseContentType=row.content_type,
        ResponseCacheControl="private, no-store",
    )


def plain_name(name: str) -> str:
    """A file's name without a folder, and without what headers and file systems take for something else."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(each for each in last if each.isprintable() and each not in '"*:<>?|;%')
    return kept.encode(errors="ignore").decode().strip(" .")[:200] or "file"


def plain_type(content_type: str) -> str:
    """The type alone, in lower case; what is none becomes one that says nothing."""
    kind = content_type.split(";")[0].strip().lower()
    return kind if _TYPE.fullmatch(kind) else UNKNOWN_TYPE
