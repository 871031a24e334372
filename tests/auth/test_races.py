"""Limits, refreshes and registrations under concurrency, on the emulator: moto loses updates."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.cloudformation import ROOT

MINISTACK = ROOT / ".venv-ministack" / "bin" / "ministack"
SECONDS_TO_START = 60


@contextlib.contextmanager
def emulator(state: Path) -> Iterator[str]:
    """MiniStack on a free port; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"GATEWAY_PORT": str(port), "STATE_DIR": str(state), "LOG_LEVEL": "ERROR"}
    with (state / "log").open("wb") as log:
        process = subprocess.Popen([MINISTACK], env=environment, stdout=log, stderr=log)
    try:
        for _ in range(SECONDS_TO_START * 10):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, (state / "log").read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of the races."""
    if not MINISTACK.exists():
        pytest.skip("MiniStack's environment is not made: `make run` or `make test` makes it")
    paths = [ROOT / "layers" / "weconnect", ROOT / "functions", ROOT]
    with emulator(tmp_path_factory.mktemp("ministack")) as address:
        environment = os.environ | {
            "AWS_ENDPOINT_URL": address,
            "MAIL_FROM": "",
            "DEFAULT_PLAN": "enterprise",
            "PYTHONPATH": ":".join(map(str, paths)),
            "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.auth.races"],
            env=environment,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("race", "counts", "after"),
    [
        ("hourly", [10, 10], [0, 0]),
        ("rolled", [10, 10], [0, 0]),
        ("plan", [0, 100], [0, 90]),
        ("both", [10, 100], [0, 90]),
    ],
)
def test_ten_of_a_hundred_starts_at_once_get_through(
    found: dict[str, Any], race: str, counts: list[int], after: list[int]
) -> None:
    assert found[race] == {
        "ends": {"ok": 10, "execution_limit_reached": 90},
        "counts": counts,
        "after": after,
    }


@pytest.mark.parametrize(
    ("race", "counts"),
    [
        ("per minute", {}),
        ("per hour", {"h": 10}),
        ("per day", {"d": 10}),
        ("per minute and hour", {"h": 10}),
        ("per day and hour", {"h": 10, "d": 10}),
    ],
)
def test_ten_of_a_hundred_uses_of_a_key_at_once_get_through(
    found: dict[str, Any], race: str, counts: dict[str, int]
) -> None:
    assert found[race]["ends"] == {"ok": 10, "rate_limited": 90}
    assert found[race]["counts"] == counts
    if race in ("per minute", "per hour", "per day"):
        assert found[race]["left"] == list(range(10)), "each of the ten saw another number"


def test_a_state_of_a_sign_in_is_taken_once(found: dict[str, Any]) -> None:
    assert found["sign-ins"] == {"ok": 1, "invalid_sso_state": 7}


def test_many_tabs_get_one_successor(found: dict[str, Any]) -> None:
    assert found["refreshes"] == {"ok": 8, "successors": 1}


def test_one_of_many_gets_an_address(found: dict[str, Any]) -> None:
    assert found["registrations"] == {"ok": 1, "email_taken": 7}
