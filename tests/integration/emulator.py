"""MiniStack without the local host, for this process or for one that races against it."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.cloudformation import ROOT
from infra.local.ministack import MiniStack
from infra.local.options import read_options

PYTHON_PATH = [ROOT / "layers" / "weconnect", ROOT / "functions", ROOT]


@contextlib.contextmanager
def emulator(state: Path) -> Iterator[str]:
    """An emulator with its state in `state`; its address."""
    (state / "log").mkdir()
    process = MiniStack(read_options(os.environ | {"STATE_DIR": str(state), "PORT": "0"}))
    try:
        asyncio.run(process.wait_until_up())
        yield process.endpoint
    finally:
        process.stop()


def raced(module: str, state: Path) -> dict[str, Any]:
    """What the races of a module found, in a process whose settings lead to an emulator of its own."""
    with emulator(state) as address:
        environment = os.environ | {
            "AWS_ENDPOINT_URL": address,
            "MAIL_FROM": "",
            "PYTHONPATH": ":".join(map(str, PYTHON_PATH)),
            "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        }
        command = [sys.executable, "-m", module]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]
