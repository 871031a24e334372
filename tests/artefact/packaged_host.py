"""The local host with the functions that `sam build` packaged, each in processes of Lambda's own runtime client.

Usage: python -m tests.artefact.packaged_host, with the variables of `infra.local` and ARTEFACT, the folder that
`make artefact` built.
"""

import asyncio
import json
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from infra.local import fork_server, host
from infra.local.lanes import LaneName
from infra.local.sam_template import Function
from infra.local.worker_pool import HandlerResult
from tests.artefact.execution_environment import ExecutionEnvironment, Invocation
from tests.artefact.packages import read_packages

MAX_CALLS = 64


class PackagedPool:
    """Runs handlers as WorkerPool does, in execution environments that are started on demand and stay warm."""

    def __init__(self, log: Path) -> None:
        self.functions: dict[str, Function] = {}
        self.log = log
        self._packages = read_packages(Path(os.environ["ARTEFACT"]))
        self._python = Path(os.environ["LAMBDA_PYTHON"])
        self._variables: dict[str, str] = {}
        self._idle: dict[str, list[ExecutionEnvironment]] = {}
        self._all: list[ExecutionEnvironment] = []
        self._threads = ThreadPoolExecutor(MAX_CALLS, "invocation")
        self._output = log.open("ab")

    has_ended = False

    async def start(self, environment: dict[str, str], path: list[str]) -> dict[str, str]:
        """Take the variables that all functions have; import nothing, as Lambda does."""
        self._variables = environment
        return {}

    async def call(
        self, name: str, payload: bytes, *, lane: LaneName, tenant: str = "", authorizer: str | None = None,
        qualifier: str = "", timeout: float | None = None,
    ) -> HandlerResult:  # fmt: skip
        """Run a function by its logical ID, after its authorizer if it has one."""
        loop = asyncio.get_running_loop()
        run = partial(self._run, name, payload, authorizer, qualifier, timeout)
        return await loop.run_in_executor(self._threads, run)

    def _run(
        self, name: str, payload: bytes, authorizer: str | None, qualifier: str, timeout: float | None
    ) -> HandlerResult:
        """Run a function, after its authorizer if it has one; blocks."""
        if authorizer:

            def run_authorizer(request: dict[str, Any]) -> Any:
                return self._invoke(authorizer, json.dumps(request).encode()).parse_value()

            event = json.loads(payload)
            if not fork_server.authorize(event, self.functions[authorizer].arn, run_authorizer):
                return HandlerResult(fork_server.FORBIDDEN)
            payload = json.dumps(event).encode()
        return self._invoke(name, payload, qualifier, timeout)

    def _invoke(
        self, name: str, payload: bytes, qualifier: str = "", timeout: float | None = None
    ) -> HandlerResult:
        """Run one invocation in an idle execution environment, or in a new one."""
        function = self.functions[name]
        idle = self._idle.setdefault(name, [])
        environment = idle.pop() if idle else self._start(function)
        seconds = timeout or function.timeout
        result = environment.invoke(
            Invocation(payload or b"{}", str(uuid.uuid4()), function.arn + qualifier, time.time() + seconds)
        )
        if result.timed_out or environment.has_ended:
            environment.close()
        else:
            idle.append(environment)
        return result

    def _start(self, function: Function) -> ExecutionEnvironment:
        """Start an execution environment of a function."""
        package = self._packages[function.id]
        environment = ExecutionEnvironment(self._python, function, package, self._variables, self._output)
        self._all.append(environment)
        return environment

    async def end_idle_workers(self) -> None:
        """Keep every environment."""

    def close(self) -> None:
        """End all environments."""
        for environment in self._all:
            environment.close()


if __name__ == "__main__":
    host.main(PackagedPool)
