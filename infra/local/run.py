"""Starts the local host and keeps it running until it is stopped."""

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
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import uvicorn

from infra import cloudformation
from infra.local.durable import Executions, blocking
from infra.local.gateway import Gateway, Routes, report_failure
from infra.local.lambda_api import LambdaApi
from infra.local.mail import PATH as MAIL_PATH
from infra.local.mail import Mailbox
from infra.local.ministack import MiniStack
from infra.local.options import CREDENTIALS, REGION, Options, read_options
from infra.local.pool import Answer, Pool
from infra.local.resources import Clients, provision, put_parameter
from infra.local.sources import event_sources, report_end
from infra.local.store import SqliteStore
from infra.local.stream import Journal
from infra.local.template import Function, load_template, read_functions, shared_environment
from infra.local.web import Request, Response, asgi

EXECUTIONS_KEPT_SECONDS = 14 * 86400
CLOSE_SECONDS = 5
LAMBDA_PATHS = ("/2015-03-31/", "/2025-12-01/")


def main() -> None:
    """Run the local host; ends on SIGINT or SIGTERM."""
    options = read_options(os.environ)
    (options.state / "log").mkdir(parents=True, exist_ok=True)
    options.state.chmod(0o700)  # it holds keys, and people's code may run as another user of this machine
    lock = (options.state / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another local host is using {options.state}")
    logging.basicConfig(filename=options.state / "log" / "host.log", level=logging.WARNING)
    try:
        listener = socket.create_server(("127.0.0.1", options.port), backlog=1024)
    except OSError as error:
        sys.exit(f"cannot listen on port {options.port}: {error.strerror}. Try another: PORT=3001 make run")
    options = replace(options, port=listener.getsockname()[1])
    loop_factory = uvicorn.Config("", loop="uvloop").get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(Host(options, listener).run())


class Host:
    """The running parts of the local host."""

    def __init__(self, options: Options, listener: socket.socket) -> None:
        self.options = options
        self.listener = listener
        self.stop = asyncio.Event()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.template = load_template(options.project / "template.yaml", options.parameter)
        self.mailbox = Mailbox(options.state / "mailbox")
        self.ministack = MiniStack(options)
        self.clients = Clients(self.ministack.endpoint)
        self.pool = Pool(options.state / "log" / "functions.log")

    async def run(self) -> None:
        """Start everything, serve until told to stop, and leave no process behind."""
        loop, begun = asyncio.get_running_loop(), time.monotonic()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop.set)
        state_file = self.options.state / "host.json"
        state_file.unlink(missing_ok=True)
        try:
            await self.ministack.wait_until_up()
            await asyncio.to_thread(self._provision)
            self.executions = self._open()
            server = self._server()
            serving = self._spawn(server.serve(sockets=[self.listener]))
            failures = await self.pool.start(self._environment(), self._python_path())
            for name, failure in failures.items():
                print(f"{name}: {failure} (see {self.pool.log})", flush=True)
            # The port listens and functions can run: only now may interrupted work go on.
            resumed = await asyncio.to_thread(self.executions.recover)
            self.api.resume_invocations()
            journal = Journal(self.ministack.journal)
            for source in event_sources(self.pool, self.clients, self.template, journal, self.options.state):
                self._spawn(source)
            self._spawn(self.pool.reap())
            self._spawn(self._watch())
            await self._announce(round(time.monotonic() - begun, 2), resumed)
            details = {"port": self.options.port, "pid": os.getpid(), "ministack": self.ministack.endpoint}
            temporary = state_file.with_suffix(".tmp")
            temporary.write_text(json.dumps(details))
            temporary.replace(state_file)
            await self.stop.wait()
            await asyncio.to_thread(
                self.executions.close
            )  # from here on a failing worker is no failed attempt
            server.should_exit = True
            await asyncio.wait([serving], timeout=CLOSE_SECONDS)  # answers under way are finished
        finally:
            state_file.unlink(missing_ok=True)
            await self._close()

    def _provision(self) -> None:
        provision(self.template, self.clients, self.options.parameter)
        if url_parameter := shared_environment(self.template).get("URL_PARAMETER"):
            put_parameter(self.clients, url_parameter, self.options.address)

    def _open(self) -> Executions:
        """Make the durable executions, the APIs and the routes."""
        loop = asyncio.get_running_loop()

        def on_end(arn: str) -> None:
            loop.call_soon_threadsafe(self._execution_ended, arn)

        self.pool.functions = read_functions(self.template)
        store = SqliteStore(self.options.state / "executions.sqlite")
        store.delete_before(time.time() - EXECUTIONS_KEPT_SECONDS)
        executions = Executions(
            store,
            blocking(loop, self._call),
            {function.name: function for function in self.pool.functions.values()},
            on_end,
        )
        self.api = LambdaApi(self.pool, executions)
        routes = Routes(cloudformation.load(self.options.project / "infra" / "api.yaml"))
        self.gateway = Gateway(routes, self.pool)
        return executions

    async def _call(self, function: Function, qualifier: str, payload: bytes) -> Answer:
        answer = await self.pool.call(function.id, payload, qualifier=qualifier)
        if answer.failed:
            report_failure(function.id, answer, self.pool)
        return answer

    def _execution_ended(self, arn: str) -> None:
        self.api.execution_ended(arn)
        self._spawn(report_end(self.api, self.pool.functions, arn))

    def _environment(self) -> dict[str, str]:
        return {
            **shared_environment(self.template),
            **CREDENTIALS,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.ministack.endpoint,
            "AWS_ENDPOINT_URL_LAMBDA": self.options.address,
            "AWS_ENDPOINT_URL_SESV2": self.options.address,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "OPENBLAS_NUM_THREADS": "1",  # workers beside each other would wait for each other's threads
        }

    def _python_path(self) -> list[str]:
        layers = [path for path in sorted((self.options.project / "layers").glob("*")) if path.is_dir()]
        return [str(path) for path in (self.options.project / "functions", *layers)]

    def _server(self) -> uvicorn.Server:
        config = uvicorn.Config(
            asgi(self._answer),
            http="httptools",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
        return _Server(config)

    async def _answer(self, request: Request) -> Response:
        if request.path != MAIL_PATH and not request.path.startswith(LAMBDA_PATHS):
            return await self.gateway(request)
        # AWS clients sign; a web page of another origin cannot send this header, so it cannot call functions directly.
        if not (request.header("authorization") or "").startswith("AWS4-HMAC-SHA256 "):
            return Response.json(403, {"message": "Missing Authentication Token"})
        return await (self.mailbox if request.path == MAIL_PATH else self.api)(request)

    async def _announce(self, seconds: float, resumed: int) -> None:
        """Seed the demo, if the project has one, and print where everything is."""
        print(f"\nWeConnect is ready at {self.options.address} ({seconds} s)")
        if resumed:
            print(f"resumed {resumed} durable executions")
        print(f"documentation: {self.options.address}/docs\nmailbox: {self.mailbox.directory}")
        print(f"logs: {self.options.state / 'log'}", flush=True)
        if self.options.demo:
            demo = importlib.import_module("infra.local.demo")
            try:
                lines = await asyncio.to_thread(demo.seed, self.options.address, self.options.state)
                print("\n" + "\n".join(lines), flush=True)
            except Exception as error:  # the host is of use without it
                logging.exception("the demo was not made")
                print(f"the demo was not made: {error!r} (see {self.options.state / 'log'})", flush=True)

    async def _watch(self) -> None:
        """Stop when a process that the host cannot do without has ended."""
        while True:
            await asyncio.sleep(0.5)
            for process, log in (
                (self.ministack.process, self.ministack.log),
                (self.pool.nursery, self.pool.log),
            ):
                if process.poll() is not None and not self.stop.is_set():
                    print(f"a process that the host needs has ended: see {log}", flush=True)
                    self.stop.set()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logging.error("a task of the host failed", exc_info=error)
            log = self.options.state / "log" / "host.log"
            print(f"error in the host: {error!r} (see {log})", flush=True)

    async def _close(self) -> None:
        for task in list(self.tasks):
            task.cancel()
        self.pool.close()
        self.ministack.stop()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the host has to stop more than the server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield
