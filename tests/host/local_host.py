"""The local host in processes of its own, for end-to-end tests that start, kill and restart it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90


class LocalHost:
    """A host on a free port with a state directory of its own; a restart keeps both.

    It serves this project without its demo, unless `project` or `environment` say otherwise. `environment` is added to
    the variables of the host (BCRYPT_COST, DEFAULT_PLAN, WECONNECT_DEMO, WECONNECT_KILL_AT) and may be changed between
    two starts. `module` is the Python module that is run.
    """

    def __init__(
        self,
        state: Path,
        project: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        module: str = "infra.local",
    ) -> None:
        self.module = module
        self.state = state
        self.project = project
        self.environment = dict(environment or {})
        self.details: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.details['port']}"

    @property
    def output(self) -> str:
        """The output of the host, over all its starts."""
        return (self.state / "output.txt").read_text()

    def start(self) -> "LocalHost":
        """Start the host and return once it is ready."""
        self.state.mkdir(parents=True, exist_ok=True)
        ready = self.state / "host.json"
        ready.unlink(missing_ok=True)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        environment |= {
            "PORT": str(self.details.get("port", 0)),
            "STATE_DIR": str(self.state),
            "WECONNECT_PROJECT": str(self.project),
            "WECONNECT_DEMO": "no",
            **self.environment,
        }
        with (self.state / "output.txt").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,  # its own group, so that one signal kills all of it
            )
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the host did not start:\n{self.output}")
            time.sleep(0.02)
        self.details = json.loads(ready.read_text())
        return self

    def kill(self) -> None:
        """Kill every process of the host at once, as `kill -9` of its process group does."""
        assert self._process
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        wait_until(lambda: not group_members(self.group))
        self._process = None

    def wait_killed(self, seconds: float = 60) -> None:
        """Wait until the host has killed itself."""
        assert self._process
        self._process.wait(seconds)
        wait_until(lambda: not group_members(self.group))
        self._process = None

    def restart(self) -> "LocalHost":
        """Kill the host and start it again with the same state and port."""
        self.kill()
        return self.start()

    def stop(self) -> int:
        """Stop the host as Ctrl-C does and return its exit status."""
        if self._process is None or self._process.poll() is not None:
            return 0
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            self._process = None

    @property
    def group(self) -> int:
        """The ID of the host's process group."""
        assert self._process
        return self._process.pid

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service: Lambda is served by the host itself, everything else by MiniStack."""
        endpoint = self.address if service == "lambda" else self.details["ministack"]
        credentials = {name.lower(): value for name, value in self.details["credentials"].items()}
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name="us-east-1",
            **credentials,
            config=Config(retries={"max_attempts": 0}, read_timeout=60),
        )

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, self.address + path, timeout=60, **options)


def group_members(group: int) -> list[int]:
    """Return the IDs of the living processes of a process group."""
    text = subprocess.run(["ps", "-eo", "pid,pgid,stat"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in text.splitlines()[1:]]
    return [int(pid) for pid, pgid, stat in rows if int(pgid) == group and not stat.startswith("Z")]


def wait_until(condition: Any, seconds: float = 30) -> Any:
    """Return the condition's value as soon as it is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.05)
    return value
