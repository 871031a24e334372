"""Starts the local host and keeps it running until it is stopped."""

import asyncio
import contextlib
import fcntl
import importlib
import importlib.util
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Coroutine
from typing import Any

import uvicorn

from infra import cloudformation
from infra.local.durable import Executions, blocking
from infra.local.gateway import Gateway, Routes, report_failure
from infra.local.lambda_api import LambdaApi
from infra.local.mail import PATH as MAIL_PATH
from infra.local.mail import Mailbox
from infra.local.options import CREDENTIALS, REGION, Options, parameter_from_environment, read_options
from infra.local.pool import Pool
from infra.local.queues import poll_queue
from infra.local.resources import Clients, provision, put_parameter
from infra.local.schedules import rule_targets, run_schedule, status_event
from infra.local.store import SqliteStore
from infra.local.stream import Journal, StreamReader
from infra.local.template import (
    Function,
    Template,
    load_template,
    read_functions,
    shared_environment,
)
from infra.local.web import Request, Response, asgi

MINISTACK_SECONDS = 60
EXECUTIONS_KEPT_SECONDS = 14 * 86400
OLLAMA_URL = "http://127.0.0.1:11434"


def main() -> None:
    """Run the local host; ends on SIGINT or SIGTERM."""
    options = read_options(os.environ)
    for name in ("", "log", "ministack"):
        (options.state / name).mkdir(parents=True, exist_ok=True)
    lock = (options.state / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another local host is using {options.state}")
    logging.basicConfig(filename=options.state / "log" / "host.log", level=logging.WARNING)
    try:
        listener = socket.create_server(("127.0.0.1", options.port), backlog=1024)
    except OSError as error:
        sys.exit(
            f"cannot listen on port {options.port}: {error.strerror}. Choose another one: PORT=3001 make run"
        )
    if options.port == 0:
        options = Options(**{**vars(options), "port": listener.getsockname()[1]})
    uvicorn_loop = uvicorn.Config("", loop="uvloop").get_loop_factory()
    with asyncio.Runner(loop_factory=uvicorn_loop) as runner:
        runner.run(Host(options, listener).run())


class Host:
    """The running parts of the local host."""

    def __init__(self, options: Options, listener: socket.socket) -> None:
        self.options = options
        self.listener = listener
        self.stop = asyncio.Event()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.ministack_port = _free_port()
        self.clients = Clients(f"http://127.0.0.1:{self.ministack_port}")
        self.template = self._load_template()
        self.mailbox = Mailbox(options.state / "mailbox")

    async def run(self) -> None:
        """Start everything, serve until told to stop, and leave no process behind."""
        loop, begun = asyncio.get_running_loop(), time.monotonic()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop.set)
        state_file = self.options.state / "host.json"
        state_file.unlink(missing_ok=True)
        self.ministack = self._start_ministack()
        self.pool = Pool(read_functions(self.template), self.options.state / "log" / "functions.log")
        try:
            await self._ministack_is_up()
            await asyncio.to_thread(self._provision)
            self.functions = self.pool.functions = read_functions(self.template)
            self._open()
            server = self._serve()
            failures = await self.pool.start(self._environment(), self._python_path())
            for name, failure in failures.items():
                print(f"{name}: {failure} (see {self.pool.log})", flush=True)
            resumed = await asyncio.to_thread(self.executions.recover)
            self.api.resume_invocations()
            self._start_sources()
            details = {"port": self.options.port, "pid": os.getpid(), "ministack": self.clients.endpoint}
            details |= {"seconds": round(time.monotonic() - begun, 2), "resumed": resumed}
            await self._announce(details)
            state_file.write_text(json.dumps(details))
            await self.stop.wait()
            server.should_exit = True
        finally:
            state_file.unlink(missing_ok=True)
            await self._close()

    def _load_template(self) -> Template:
        def parameter(name: str) -> str | None:
            given = parameter_from_environment(name, os.environ)
            if name == "OutboundAllowedHosts":
                ollama = os.environ.get("OLLAMA_URL", OLLAMA_URL).partition("://")[2].rstrip("/")
                return ",".join(filter(None, [given, ollama]))
            return self.options.parameters.get(name) if given is None else given

        self.parameter = parameter
        return load_template(self.options.project / "template.yaml", parameter)

    def _start_ministack(self) -> subprocess.Popen[bytes]:
        state = self.options.state / "ministack"
        (state / "tmp").mkdir(exist_ok=True)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        environment |= {
            "GATEWAY_PORT": str(self.ministack_port),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(state / "s3"),
            "TMPDIR": str(state / "tmp"),
            "LOG_LEVEL": "WARNING",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
        }
        if not self.options.ministack_python.exists():
            sys.exit(
                f"{self.options.ministack_python} does not exist: `make run` makes MiniStack's environment"
            )
        launcher = importlib.util.find_spec("infra.local.ministack_launcher")
        assert launcher and launcher.origin
        with (self.options.state / "log" / "ministack.log").open("ab") as output:
            return subprocess.Popen(
                [self.options.ministack_python, "-P", launcher.origin],
                stdin=subprocess.PIPE,  # it ends when this closes
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    async def _ministack_is_up(self) -> None:
        for _ in range(MINISTACK_SECONDS * 50):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.ministack_port)
                writer.close()
                return
            if self.ministack.poll() is not None:
                break
            await asyncio.sleep(0.02)
        sys.exit(f"MiniStack did not start: see {self.options.state / 'log' / 'ministack.log'}")

    def _provision(self) -> None:
        provision(self.template, self.clients, self.parameter)
        if url_parameter := shared_environment(self.template).get("URL_PARAMETER"):
            put_parameter(self.clients, url_parameter, self.options.address)

    def _environment(self) -> dict[str, str]:
        return {
            **shared_environment(self.template),
            **CREDENTIALS,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.clients.endpoint,
            "AWS_ENDPOINT_URL_LAMBDA": self.options.address,
            "AWS_ENDPOINT_URL_SESV2": self.options.address,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        }

    def _python_path(self) -> list[str]:
        layers = [path for path in sorted((self.options.project / "layers").glob("*")) if path.is_dir()]
        return [str(path) for path in (self.options.project / "functions", *layers)]

    def _open(self) -> None:
        """Make the durable executions, the APIs and the routes."""
        loop = asyncio.get_running_loop()
        by_name = {function.name: function for function in self.functions.values()}
        store = SqliteStore(self.options.state / "executions.sqlite")
        self.executions = Executions(
            store,
            blocking(loop, self._call_for_executor),
            by_name,
            lambda arn: loop.call_soon_threadsafe(self._execution_ended, arn) and None,
        )
        self.api = LambdaApi(self.pool, self.executions)
        self.gateway = Gateway(Routes(cloudformation.load(self.options.project / "infra" / "api.yaml")), self.pool)

    async def _call_for_executor(self, function: Function, qualifier: str, payload: bytes) -> Any:
        answer = await self.pool.call(function.id, payload, qualifier=qualifier)
        if answer.failed:
            report_failure(function.id, answer, self.pool)
        return answer

    def _execution_ended(self, arn: str) -> None:
        self.api.execution_ended(arn)
        self._spawn(self._report_end(arn))

    async def _report_end(self, arn: str) -> None:
        """Tell the functions that listen for it that an execution has ended; a kill before that repeats it."""
        execution = self.executions.get_execution(arn)
        event = status_event(self.api.by_name[execution.start_input.function_name], execution)
        for function in rule_targets(self.functions, event):
            await self.api.invoke_later(function, json.dumps(event).encode())
        self.executions.store.mark_reported(arn)

    def _start_sources(self) -> None:
        journal = Journal(self.options.state / "ministack" / "journal")
        readers: list[StreamReader] = []
        urls = dict(self._queue_urls())
        for function in self.functions.values():
            for name, source in function.events.items():
                kind, properties = source["Type"], source.get("Properties", {})
                if kind == "SQS":
                    url = urls[properties["Queue"]]
                    self._spawn(poll_queue(self.pool, self.clients, function.id, url, properties))
                elif kind == "DynamoDB":
                    readers.append(self._stream_reader(function, properties, journal))
                elif kind in ("Schedule", "ScheduleV2"):
                    self._spawn(run_schedule(self.pool, function, name, properties))
        for reader in readers:
            self._spawn(reader.run())
        self._spawn(self.pool.reap())
        self._spawn(self._watch())
        self._spawn(self._clean_up(journal, readers))

    def _stream_reader(
        self, function: Function, properties: dict[str, Any], journal: Journal
    ) -> StreamReader:
        table = properties["Stream"].partition(":table/")[2].split("/")[0]
        schema = self.clients("dynamodb").describe_table(TableName=table)["Table"]["KeySchema"]
        keys = tuple(key["AttributeName"] for key in schema)
        state = self.options.state
        return StreamReader(self.pool, self.clients, function.id, properties, journal, state, table, keys)

    def _queue_urls(self) -> list[tuple[str, str]]:
        scope = self.template.scope
        return [
            (scope.attributes[name, "Arn"], scope.refs[name])
            for name, resource in self.template.resources.items()
            if resource["Type"] == "AWS::SQS::Queue"
        ]

    def _serve(self) -> uvicorn.Server:
        config = uvicorn.Config(
            asgi(self._answer), http="httptools", ws="none", lifespan="off", log_level="warning", access_log=False,
            server_header=False, timeout_keep_alive=75, timeout_graceful_shutdown=2,
        )  # fmt: skip
        config.load()
        server = _Server(config)
        self._spawn(server.serve(sockets=[self.listener]))
        return server

    async def _answer(self, request: Request) -> Response:
        if request.path == MAIL_PATH:
            return await self.mailbox(request)
        if request.path.startswith(("/2015-03-31/", "/2025-12-01/")):
            return await self.api(request)
        return await self.gateway(request)

    async def _announce(self, details: dict[str, Any]) -> None:
        """Seed the demo, if the project has one, and print where everything is."""
        print(f"\nWeConnect is ready at {self.options.address} ({details['seconds']} s)")
        if details["resumed"]:
            print(f"resumed {details['resumed']} durable executions")
        print(f"documentation: {self.options.address}/docs\nmailbox: {self.mailbox.directory}")
        print(f"logs: {self.options.state / 'log'}", flush=True)
        if (
            importlib.util.find_spec("infra.local.demo")
            and (self.options.project / "infra/local/demo.py").exists()
        ):
            demo = importlib.import_module("infra.local.demo")
            lines = await asyncio.to_thread(demo.seed, self.options.address, self.options.state)
            print("\n" + (lines if isinstance(lines, str) else "\n".join(lines)), flush=True)

    async def _clean_up(self, journal: Journal, readers: list[StreamReader]) -> None:
        """Delete what nobody needs any more: journal segments, ended executions."""
        oldest = time.time() - EXECUTIONS_KEPT_SECONDS
        await asyncio.to_thread(self.executions.store.delete_before, oldest)
        while True:
            journal.delete_read(readers)
            await asyncio.sleep(5)

    async def _watch(self) -> None:
        """Stop when a process that the host cannot do without has ended."""
        while True:
            await asyncio.sleep(0.5)
            for name, process in (
                ("MiniStack", self.ministack),
                ("the functions' process", self.pool.nursery),
            ):
                if process.poll() is not None and not self.stop.is_set():
                    print(f"{name} has ended: see {self.options.state / 'log'}", flush=True)
                    self.stop.set()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logging.error("a task of the host failed", exc_info=error)
            print(f"error in the host: {error!r} (see {self.options.state / 'log' / 'host.log'})", flush=True)

    async def _close(self) -> None:
        await asyncio.sleep(0.1)
        for task in list(self.tasks):
            task.cancel()
        if hasattr(self, "executions"):
            self.executions.close()
        self.pool.close()
        if self.ministack.stdin:
            self.ministack.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.ministack.wait(15)
        self.ministack.kill()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the host has to stop more than the server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
