"""MiniStack without the local host, for this process or for one that races against it."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra.cloudformation import ROOT
from infra.local.ministack import MiniStack
from infra.local.request_checks import Credentials
from infra.local.settings import read_settings

PYTHON_PATH = [ROOT / "layers" / "weconnect", ROOT / "functions", ROOT]


@contextlib.contextmanager
def running_emulator(state: Path) -> Iterator[str]:
    """Yield the address of an emulator with its state in the folder `state` and this process's AWS credentials."""
    (state / "log").mkdir()
    credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    settings = read_settings(os.environ | {"STATE_DIR": str(state), "PORT": "0"})
    process = MiniStack(replace(settings, credentials=credentials))
    try:
        asyncio.run(process.wait_until_up())
        yield process.endpoint
    finally:
        process.stop()


def run_races(module: str, state: Path) -> dict[str, Any]:
    """Run the races of a module in a process with an emulator of its own, and return the JSON that it prints."""
    with running_emulator(state) as address:
        environment = os.environ | {
            "AWS_ENDPOINT_URL": address,
            "MAIL_FROM": "",
            "PYTHONPATH": ":".join(map(str, PYTHON_PATH)),
            "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        }
        command = [sys.executable, "-m", module]
        process = subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False
        )
    assert process.returncode == 0, process.stderr
    results: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return results
