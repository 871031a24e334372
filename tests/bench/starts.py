"""Cold and warm CPU, each program in a fresh interpreter whose byte code is compiled already."""

import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import botocore

from infra.cloudformation import ROOT
from tests.bench import stub
from tests.bench.rows import Line, median, ratio
from tests.bench.world import sample

PROGRAMS = Path(__file__).parent / "programs"
ROUNDS = 15


def lines() -> Iterator[Line]:
    """Cold starts against a bare client, warm calls against a bare get."""
    found = sample()
    key = {name: found.items[0][name] for name in ("pk", "sk")}
    request = json.dumps({**asdict(found), "items": None, "key": key})
    with tempfile.TemporaryDirectory() as folder, stub.serving(found.items) as address:
        trimmed = _trimmed(Path(folder))
        runs = {
            "nothing": ("nothing", ""),
            "bare": ("bare_client", ""),
            "get": ("cold_get", trimmed),
            "get, botocore's data untrimmed": ("cold_get", ""),
            "recipe": ("default_recipe", ""),
            "authorizer": ("cold_authorizer", trimmed),
        }
        took: dict[str, list[float]] = {name: [] for name in runs}
        for number in range(ROUNDS + 1):  # the first compiles
            for name, (program, path) in runs.items():
                milliseconds = _cpu(program, request, environment(address, folder, path))
                if number:
                    took[name].append(milliseconds)
        warm = json.loads(run("warm", request, environment(address, folder, trimmed)))
    empty = median(took["nothing"])
    cold = {name: median(values) - empty for name, values in took.items()}
    yield ratio(
        "cold GET, import and first call, as packaged",
        cold["get"],
        cold["bare"],
        "ms",
        "bare boto3 client + GetItem",
        1.2,
        1.0,
    )
    yield ratio(
        "  the same, botocore's data untrimmed",
        cold["get, botocore's data untrimmed"],
        cold["bare"],
        "ms",
        "the same",
        1.2,
    )
    against = (
        cold["get"] / cold["recipe"]
    )  # the bound is against a recipe with Tracer, whose SDK we do not have
    yield Line(
        "  the same against the default recipe",
        f"{cold['get']:.1f} ms",
        f"{cold['recipe']:.1f} ms resolver, Logger, Metrics, entities",
        against,
        "≤ 0.6 × with Tracer too",
        True if against <= 0.6 else None,
    )
    yield ratio(
        "cold authorizer, JWT, secret read; no botocore",
        cold["authorizer"],
        cold["bare"],
        "ms",
        "bare boto3 client + GetItem",
        0.35,
    )
    yield ratio("warm GET /v1/users/me", warm["get_me"], warm["bare_user"], "µs", "bare PynamoDB get", 1.4)
    yield ratio(
        "warm GET /v1/agents/{id} (a batch of two rows)",
        warm["get_agent"],
        warm["bare_agent"],
        "µs",
        "bare PynamoDB get of one",
        1.4,
    )


def _trimmed(folder: Path) -> str:
    """A copy of botocore with the data that the layer has."""
    copy = folder / "trimmed" / "botocore"
    shutil.copytree(Path(botocore.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    runpy.run_path(str(ROOT / "layers/deps/trim_botocore.py"))["trim"](copy / "data")
    return str(copy.parent)


def environment(address: str, folder: str, path: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": ":".join(filter(None, [path, str(ROOT / "layers/weconnect"), str(ROOT / "functions")])),
        "PYTHONPYCACHEPREFIX": f"{folder}/compiled",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "TABLE_NAME": "weconnect",
        "POWERTOOLS_SERVICE_NAME": "weconnect",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def run(program: str, request: str, variables: dict[str, str]) -> str:
    command = [sys.executable, str(PROGRAMS / f"{program}.py")]
    ran = subprocess.run(command, input=request, env=variables, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout.splitlines()[-1]


def _cpu(program: str, request: str, variables: dict[str, str]) -> float:
    """CPU milliseconds of one process from its start to its end."""
    command = [sys.executable, str(PROGRAMS / f"{program}.py")]
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as said:
        given.write(request)
        given.seek(0)
        process = subprocess.Popen(command, stdin=given, env=variables, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        assert process.returncode == 0, f"{program}: {said.read()}"
    return (usage.ru_utime + usage.ru_stime) * 1000
