"""The local host: starts all its parts and runs until it is stopped."""

import asyncio
import contextlib
import fcntl
import importlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn

from infra import cloudformation
from infra.local.asgi import Request, Response, to_asgi
from infra.local.durable_executions import DurableExecutions, make_blocking
from infra.local.event_sources import connect_event_sources, report_execution_end
from infra.local.execution_store import SqliteStore
from infra.local.gateway import Gateway, Routes, report_failure
from infra.local.lambda_api import LambdaApi
from infra.local.lanes import find_tenant
from infra.local.mailbox import PATH as MAIL_PATH
from infra.local.mailbox import Mailbox
from infra.local.ministack import MiniStack
from infra.local.provisioning import AwsClients, provision, put_parameter
from infra.local.request_checks import refuse_host, refuse_signature
from infra.local.sam_template import Function, load_template, read_functions, read_shared_environment
from infra.local.settings import REGION, HostSettings, read_settings
from infra.local.table_stream import JournalReader
from infra.local.worker_pool import HandlerResult, Pool, WorkerPool

RETENTION_SECONDS = 14 * 86400
CLOSE_SECONDS = 5
LAMBDA_PATHS = ("/2015-03-31/", "/2025-12-01/")


def main(create_pool: Callable[[Path], Pool] = WorkerPool) -> None:
    """Run the local host until SIGINT or SIGTERM. `create_pool` makes the pool that logs into a file."""
    settings = read_settings(os.environ)
    (settings.state / "log").mkdir(parents=True, exist_ok=True)
    settings.state.chmod(0o700)  # it holds keys, and tenants' code may run as another user of this machine
    lock = (settings.state / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another local host is using {settings.state}")
    logging.basicConfig(filename=settings.state / "log" / "host.log", level=logging.WARNING)
    try:
        listener = socket.create_server(("127.0.0.1", settings.port), backlog=1024)
    except OSError as error:
        sys.exit(
            f"cannot listen on port {settings.port}: {error.strerror}. Choose another port: PORT=3001 make run"
        )
    settings = replace(settings, port=listener.getsockname()[1])
    loop_factory = uvicorn.Config("", loop="uvloop").get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(Host(settings, listener, create_pool).run())


class Host:
    """The parts of a running local host."""

    def __init__(
        self, settings: HostSettings, listener: socket.socket, create_pool: Callable[[Path], Pool]
    ) -> None:
        self.settings = settings
        self.listener = listener
        self.stop = asyncio.Event()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.template = load_template(settings.project / "template.yaml", settings.get_parameter)
        self.mailbox = Mailbox(settings.state / "mailbox")
        self.ministack = MiniStack(settings)
        self.clients = AwsClients(self.ministack.endpoint, settings.credentials)
        self.pool = create_pool(settings.state / "log" / "functions.log")

    async def run(self) -> None:
        """Start all parts, serve until a signal, and leave no process behind."""
        loop, started = asyncio.get_running_loop(), time.monotonic()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop.set)
        state_file = self.settings.state / "host.json"
        state_file.unlink(missing_ok=True)
        try:
            await self.ministack.wait_until_up()
            await asyncio.to_thread(self._provision_resources)
            self.executions = self._open()
            server = self._create_server()
            serving = self._start_task(server.serve(sockets=[self.listener]))
            failures = await self.pool.start(self._build_environment(), self._list_python_path())
            for name, failure in failures.items():
                print(f"{name}: {failure} (see {self.pool.log})", flush=True)
            # Interrupted work may resume only now, when the port listens and functions can run.
            resumed = await asyncio.to_thread(self.executions.recover)
            self.api.resume_invocations()
            journal = JournalReader(self.ministack.journal)
            for source in connect_event_sources(
                self.pool, self.clients, self.template, journal, self.settings.state
            ):
                self._start_task(source)
            self._start_task(self.pool.end_idle_workers())
            self._start_task(self._watch())
            await self._announce(round(time.monotonic() - started, 2), resumed)
            self._write_details(state_file)
            await self.stop.wait()
            await asyncio.to_thread(
                self.executions.close
            )  # from here on a failing worker does not count as a failed attempt
            server.should_exit = True
            await asyncio.wait([serving], timeout=CLOSE_SECONDS)  # let responses in progress finish
        finally:
            state_file.unlink(missing_ok=True)
            await self._close()

    def _write_details(self, path: Path) -> None:
        """Write what a client of this host must know, its credentials too, for this user alone."""
        details = {"port": self.settings.port, "pid": os.getpid(), "ministack": self.ministack.endpoint}
        temporary = path.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)
        temporary.touch(0o600)
        temporary.write_text(json.dumps(details | {"credentials": self.settings.credentials.variables}))
        temporary.replace(path)

    def _provision_resources(self) -> None:
        """Create the template's resources, and store the host's address in the parameter that names it to functions."""
        provision(self.template, self.clients, self.settings.get_parameter)
        if url_parameter := read_shared_environment(self.template).get("URL_PARAMETER"):
            put_parameter(self.clients, url_parameter, self.settings.address)

    def _open(self) -> DurableExecutions:
        """Create the durable executions, the APIs and the routes."""
        loop = asyncio.get_running_loop()

        def on_end(arn: str) -> None:
            """Handle the end of an execution on the event loop; called from any thread."""
            loop.call_soon_threadsafe(self._handle_execution_end, arn)

        self.pool.functions = read_functions(self.template)
        store = SqliteStore(self.settings.state / "executions.sqlite")
        store.delete_before(time.time() - RETENTION_SECONDS)
        executions = DurableExecutions(
            store,
            make_blocking(loop, self._call),
            {function.name: function for function in self.pool.functions.values()},
            on_end,
        )
        self.api = LambdaApi(self.pool, executions)
        routes = Routes(cloudformation.read_template(self.settings.project / "infra" / "api.yaml"))
        self.gateway = Gateway(routes, self.pool)
        return executions

    async def _call(self, function: Function, qualifier: str, payload: bytes) -> HandlerResult:
        """Call a function and return its result; a failure is printed."""
        result = await self.pool.call(
            function.id, payload, lane="background", tenant=find_tenant(payload), qualifier=qualifier
        )
        if result.failed:
            report_failure(function.id, result, self.pool)
        return result

    def _handle_execution_end(self, arn: str) -> None:
        """Wake the callers of a durable execution that has ended, and invoke the functions with a rule for its end."""
        self.api.wake_callers(arn)
        self._start_task(report_execution_end(self.api, self.pool.functions, arn))

    def _build_environment(self) -> dict[str, str]:
        """Return the environment variables that all functions have, with the addresses of the local services."""
        return {
            **read_shared_environment(self.template),
            **self.settings.credentials.variables,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.ministack.endpoint,
            "AWS_ENDPOINT_URL_LAMBDA": self.settings.address,
            "AWS_ENDPOINT_URL_SESV2": self.settings.address,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "OPENBLAS_NUM_THREADS": "1",  # the threads of parallel workers would wait for each other
        }

    def _list_python_path(self) -> list[str]:
        """Return the folders from which functions import: their own and the layers."""
        layers = [path for path in sorted((self.settings.project / "layers").glob("*")) if path.is_dir()]
        return [str(path) for path in (self.settings.project / "functions", *layers)]

    def _create_server(self) -> uvicorn.Server:
        """Return the HTTP server of the host, which is not started."""
        config = uvicorn.Config(
            to_asgi(self._respond),
            http="httptools",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # no proxy is in front of it, so X-Forwarded-For is what a caller says
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
        return _Server(config)

    async def _respond(self, request: Request) -> Response:
        """Return the response of the mailbox, of Lambda's API, or else of the gateway, by the request's path."""
        if refusal := refuse_host(request, self.settings.port):
            return refusal
        if request.path != MAIL_PATH and not request.path.startswith(LAMBDA_PATHS):
            return await self.gateway(request)
        if refusal := refuse_signature(request, self.settings.credentials):
            return refusal
        return await (self.mailbox if request.path == MAIL_PATH else self.api)(request)

    async def _announce(self, seconds: float, resumed: int) -> None:
        """Create the demo data, if wanted, and print the addresses and paths of everything."""
        print(f"\nWeConnect is ready at {self.settings.address} ({seconds} s)")
        if resumed:
            print(f"resumed {resumed} durable executions")
        print(f"documentation: {self.settings.address}/docs\nmailbox: {self.mailbox.directory}")
        print(f"logs: {self.settings.state / 'log'}", flush=True)
        if self.settings.demo:
            demo = importlib.import_module("infra.local.demo_data")
            try:
                lines = await asyncio.to_thread(demo.seed, self.settings.address, self.settings.state)
                print("\n" + "\n".join(lines), flush=True)
            except Exception as error:  # the host is usable without the demo
                logging.exception("demo data not created")
                print(f"demo data not created: {error!r} (see {self.settings.state / 'log'})", flush=True)

    async def _watch(self) -> None:
        """Stop the host when a process that it depends on has ended."""
        while True:
            await asyncio.sleep(0.5)
            for has_ended, log in (
                (self.ministack.process.poll() is not None, self.ministack.log),
                (self.pool.has_ended, self.pool.log),
            ):
                if has_ended and not self.stop.is_set():
                    print(f"a process of the host has ended: see {log}", flush=True)
                    self.stop.set()

    def _start_task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as a task that is cancelled when the host ends."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._handle_task_end)
        return task

    def _handle_task_end(self, task: asyncio.Task[Any]) -> None:
        """Forget a task that has ended; log and print its error."""
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logging.error("a task of the host failed", exc_info=error)
            log = self.settings.state / "log" / "host.log"
            print(f"error in the host: {error!r} (see {log})", flush=True)

    async def _close(self) -> None:
        """Cancel all tasks, then end the workers and MiniStack."""
        for task in list(self.tasks):
            task.cancel()
        self.pool.close()
        self.ministack.stop()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers, because the host stops more than the server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Leave the signal handlers as they are."""
        yield
