"""Starts MiniStack so that `kill -9` loses nothing that it has acknowledged.

Runs in MiniStack's own virtual environment. By itself, MiniStack saves its state only when it stops gracefully. Here

- the item images of each DynamoDB request are appended to `<state>/journal/<n>.jsonl` as one line before the response
  is sent, so that a transaction is stored completely or not at all. At start the lines after the last snapshot are
  replayed. The journal is also the table's stream: the host reads it and deletes the segments that neither side needs;
- every other change (queues, keys, secrets, parameters, buckets) is saved before the response, except changes that may
  happen twice anyway (receipts and deletions of messages), which are saved within two seconds.

Whoever connects must name this machine as the host and sign with the host's credentials.

Environment: MiniStack's own GATEWAY_PORT, STATE_DIR, PERSIST_STATE=1, S3_PERSIST=1, S3_DATA_DIR, AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY. The process ends when its standard input closes, so it never outlives the host.
"""

import asyncio
import contextlib
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from ministack import app as ministack
from ministack.core import persistence
from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region, request_scope

sys.path.append(str(Path(__file__).parents[2]))  # last, so that no module of ours hides one of MiniStack's
from infra.local.asgi import Response as HttpResponse
from infra.local.asgi import build_request, read_body, send_response
from infra.local.ministack_journal import Journal, replace_file
from infra.local.request_checks import Credentials, refuse_host, refuse_signature

SAVE_SECONDS = 2.0
MAX_BODY_BYTES = 100 * 1024 * 1024
TTL_SECONDS = float(os.environ.get("TTL_SECONDS", "20"))
SNAPSHOT_BYTES = 8 * 1024 * 1024  # a snapshot is due when the journal outgrows this and the last snapshot
LAZY_ACTIONS = {"ReceiveMessage", "DeleteMessage", "DeleteMessageBatch", "ChangeMessageVisibility"}
READ_PREFIXES = (
    "Get",
    "List",
    "Describe",
    "Query",
    "Scan",
    "BatchGet",
    "Encrypt",
    "Decrypt",
    "GenerateDataKey",
)
ROW_ACTIONS = {
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "TransactGetItems",
}
Message = dict[str, Any]
Application = Callable[[Message, Any, Any], Awaitable[None]]


def import_dynamodb() -> Any:
    """Import MiniStack's DynamoDB without its reaper thread, which deletes expired items without stream records."""
    start = threading.Thread.start

    def start_others(self: threading.Thread) -> None:
        """Start a thread, unless it is the reaper."""
        if self.name != "dynamodb-ttl-reaper":
            start(self)

    threading.Thread.start = start_others  # type: ignore[method-assign]
    try:
        return importlib.import_module("ministack.services.dynamodb")
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]


dynamodb = import_dynamodb()


class Saver:
    """Saves the state of services; requests that wait at the same time share one write."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._snapshot_size = 0
        self._dirty: set[str] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()

    def touch(self, service: str) -> None:
        """Mark the service's state to be saved within two seconds."""
        self._dirty.add(service)

    async def commit(self, service: str) -> None:
        """Return once the service's present state is on disk."""
        done = asyncio.get_running_loop().create_future()
        self._dirty.add(service)
        self._waiting.append(done)
        self._wake.set()
        await done

    async def run(self) -> None:
        """Save the changed services whenever a request waits for it, and every two seconds, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), SAVE_SECONDS)
            self._wake.clear()
            if self.journal.size > max(SNAPSHOT_BYTES, self._snapshot_size):
                self._dirty.add("dynamodb")
            dirty, self._dirty = self._dirty, set()
            waiting, self._waiting = self._waiting, []
            self.save(dirty)
            for done in waiting:
                if not done.done():
                    done.set_result(None)

    def save(self, services: set[str]) -> None:
        """Write the state of services to disk; a snapshot of the tables also begins a new segment of the journal."""
        states = ministack._build_persistence_save_dict()
        for service in services:
            if service == "dynamodb":
                segment = self.journal.rotate()
                self._snapshot_size = _write_state("dynamodb", _collect_table_state())
                self.journal.cover(segment)
            elif service in states:
                _write_state(service, states[service]())

    def save_all(self) -> None:
        self.save({*ministack._build_persistence_save_dict(), "dynamodb"})


def _collect_table_state() -> dict[str, Any]:
    """Return what dynamodb.get_state() returns, without copying items: the event loop writes it immediately."""
    tables = AccountRegionScopedDict()
    for (account, region, name), table in dynamodb._tables.all_items():
        plain = {key: value for key, value in table.items() if key != dynamodb._INDEX_MEMBERS}
        tables.set_scoped(account, region, name, plain)
    return {"tables": tables, "tags": dynamodb._tags, "ttl_settings": dynamodb._ttl_settings}


def _write_state(service: str, state: Any) -> int:
    """Write a service's state in MiniStack's format, atomically; return the number of characters."""
    wrapped = {"__ministack_format__": persistence._state_format_version(service), "payload": state}
    text = json.dumps(
        wrapped, default=persistence._json_default
    )  # dump() to a file would not use the C encoder
    directory = Path(persistence.STATE_DIR)
    directory.mkdir(parents=True, exist_ok=True)
    replace_file(directory / f"{service}.json", text)
    return len(text)


def replay(journal: Journal) -> None:
    """Apply the journal's images to the tables. Idempotent, because images are complete items."""
    for entry in journal.read_entries():
        with request_scope(*entry["a"]):
            for name, old, new, _ in entry["w"]:
                table = dynamodb._tables.get(name)
                if table is None:
                    continue
                keys = [dynamodb._extract_key_val((new or old)[key]) for key in _list_key_names(table)]
                pk, sk = keys[0], keys[1] if len(keys) > 1 else "__no_sort__"
                if new is None:
                    dynamodb._remove_item(table, pk, sk)
                else:
                    dynamodb._set_item(table, pk, sk, new)


def _list_key_names(table: dict[str, Any]) -> list[str]:
    """Return the names of a table's partition key and, if it has one, sort key."""
    return [name for name in (table["pk_name"], table["sk_name"]) if name]


def install_journal(journal: Journal) -> None:
    """Make each DynamoDB request write its images before its response."""
    handle_request = dynamodb.handle_request

    def emit(table: str, event: str, old: Any, new: Any, replicate: bool = True) -> None:
        """Add the images of a changed item to the journal's pending ones; an update without a change is left out."""
        if not (event == "MODIFY" and old == new):
            journal.add(table, old, new)

    async def handle_and_flush(*args: Any, **kwargs: Any) -> Any:
        """Handle a request, then write its images to the journal, even when it fails."""
        # MiniStack's handler never yields to another request, so all pending images belong to this one.
        try:
            return await handle_request(*args, **kwargs)
        finally:
            journal.flush(get_account_id(), get_region())

    dynamodb._emit_stream_event = emit
    dynamodb.handle_request = handle_and_flush


async def expire_items(journal: Journal) -> None:
    """Delete expired items as DynamoDB does, with a record that the stream can distinguish from a user's deletion."""
    while True:
        await asyncio.sleep(TTL_SECONDS)
        now = time.time()
        for (account, region, name), setting in dynamodb._ttl_settings.all_items():
            table = dynamodb._tables.get_scoped(account, region, name)
            if table is None or setting.get("TimeToLiveStatus") != "ENABLED":
                continue
            attribute = setting["AttributeName"]
            expired = [
                (pk, sk)
                for pk, items in table["items"].items()
                for sk, item in items.items()
                if 0 < float(item.get(attribute, {}).get("N", 0)) <= now
            ]
            with request_scope(account, region):
                for pk, sk in expired:
                    journal.add(name, dynamodb._remove_item(table, pk, sk), None, expired=True)
                    journal.flush(account, region)


def durable_app(saver: Saver) -> Application:
    """Wrap MiniStack's application: a change is on disk before its response is sent."""

    async def app(scope: Message, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        """Handle one ASGI request."""
        service, must_commit = _classify_request(scope) if scope["type"] == "http" else ("", False)
        if not service:
            await ministack.app(scope, receive, send)
            return

        async def send_saved(message: Message) -> None:
            """Send a message of the response; before its first one, save the service's state or mark it to be saved."""
            if message["type"] == "http.response.start":
                if must_commit:
                    await saver.commit(service)
                else:
                    saver.touch(service)
            await send(message)

        await ministack.app(scope, receive, send_saved)

    return app


def guarded_app(app: Application, port: int, credentials: Credentials) -> Application:
    """Wrap an application: it gets only requests that are sent to this machine by name and signed by its host.

    MiniStack by itself serves everybody who connects, and it can read and change all data of all tenants.
    """

    async def guarded(scope: Message, receive: Any, send: Any) -> None:
        """Handle one ASGI request: 421, 403 or 413 when it is refused."""
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        body = await read_body(receive, MAX_BODY_BYTES)
        if body is None:
            refusal: HttpResponse | None = HttpResponse.message(413, "Request Entity Too Large")
        else:
            request = build_request(scope, body)
            refusal = refuse_host(request, port) or refuse_signature(request, credentials)
        if refusal:
            await send_response(refusal, send, has_body=scope["method"] != "HEAD")
            return
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            """Return the message with the body, then those that follow it."""
            return messages.pop() if messages else await receive()

        await app(scope, receive_again, send)

    return guarded


def _classify_request(scope: Message) -> tuple[str, bool]:
    """Return the service that a request may change ("" for none), and whether its response waits for the save."""
    headers = dict(scope["headers"])
    credential = (
        headers.get(b"authorization", b"").partition(b"Credential=")[2].split(b",")[0].decode().split("/")
    )
    service = credential[3] if len(credential) > 3 else ""
    action = headers.get(b"x-amz-target", b"").decode().rpartition(".")[2]
    if scope["method"] in ("GET", "HEAD") or action.startswith(READ_PREFIXES):
        return "", False
    if service == "dynamodb" and action in ROW_ACTIONS:
        return "", False
    is_object = service == "s3" and "/" in scope["path"].strip("/")  # its bytes are on disk already
    return service, not (action in LAZY_ACTIONS or is_object)


async def main() -> None:
    """Load the saved state, replay the journal, and serve until SIGTERM or the end of the standard input."""
    journal = Journal(Path(persistence.STATE_DIR) / "journal")
    saver = Saver(journal)
    load = ministack._load_persisted_state

    def load_and_replay() -> None:
        """Load the last snapshot, apply the journal to it, and record all further changes."""
        load()
        replay(journal)
        journal.rotate()
        install_journal(journal)

    ministack._load_persisted_state = load_and_replay
    ministack.save_all = lambda states: saver.save_all()

    port = int(os.environ["GATEWAY_PORT"])
    credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    # uvicorn instead of hypercorn, which MiniStack starts by itself and which takes twice as long for a request.
    server = Server(
        uvicorn.Config(
            guarded_app(durable_app(saver), port, credentials),
            port=port,
            http="httptools",
            ws="none",
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=600,
            timeout_graceful_shutdown=1,
        )
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C reaches the whole group; the host decides
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(stop)), daemon=True).start()

    tasks = [asyncio.create_task(saver.run()), asyncio.create_task(expire_items(journal))]
    await server.serve()
    for task in tasks:
        task.cancel()


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Leave the signal handlers as they are."""
        yield


if __name__ == "__main__":
    uvloop.run(main())
