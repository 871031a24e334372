"""The MiniStack process, with its own Python, its own port, and its state below the host's."""

import asyncio
import contextlib
import importlib.util
import os
import socket
import subprocess
import sys

from infra.local.settings import HostSettings

START_SECONDS = 60


class MiniStack:
    """MiniStack, started by the launcher that adds a journal."""

    def __init__(self, settings: HostSettings) -> None:
        self.port = _free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = settings.state / "log" / "ministack.log"
        state = settings.state / "ministack"
        self.journal = state / "journal"
        (state / "tmp").mkdir(parents=True, exist_ok=True)
        if not settings.ministack_python.exists():
            sys.exit(
                f"{settings.ministack_python} does not exist. `make run` creates MiniStack's environment"
            )
        launcher = importlib.util.find_spec("infra.local.ministack_launcher")
        assert launcher and launcher.origin
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        environment |= settings.credentials.variables  # the signatures of requests are checked against these
        environment |= {
            "GATEWAY_PORT": str(self.port),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(state / "s3"),
            "TMPDIR": str(state / "tmp"),
            "LOG_LEVEL": "WARNING",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
        }
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [settings.ministack_python, "-P", launcher.origin],
                stdin=subprocess.PIPE,  # it ends when this closes
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    async def wait_until_up(self) -> None:
        """Return when MiniStack accepts connections; exits the host when it has ended or is not up after 60 s."""
        for _ in range(START_SECONDS * 50):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            if self.process.poll() is not None:
                break
            await asyncio.sleep(0.02)
        sys.exit(f"MiniStack did not start: see {self.log}")

    def stop(self) -> None:
        """Let MiniStack save its state and end; kill it after 15 s."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()


def _free_port() -> int:
    """Return a TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
