"""CPU time of cold starts and warm calls; each program runs in a new interpreter with compiled byte code."""

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
from tests.bench.world import Sample, sample

PROGRAMS = Path(__file__).parent / "programs"
ROUNDS = 15


def lines() -> Iterator[Line]:
    """Yield cold starts beside a bare client, and warm calls beside a bare get."""
    requests = sample()
    request = write_request(requests)
    with tempfile.TemporaryDirectory() as folder, stub.serve(requests.items) as address:
        trimmed = _trim_botocore(Path(folder))
        programs = {
            "empty": ("nothing", ""),
            "bare": ("bare_client", ""),
            "get": ("cold_get", trimmed),
            "get, untrimmed": ("cold_get", ""),
            "recipe": ("default_recipe", ""),
            "authorizer": ("cold_authorizer", trimmed),
        }
        times: dict[str, list[float]] = {name: [] for name in programs}
        for number in range(ROUNDS + 1):  # the first round compiles the byte code
            for name, (program, path) in programs.items():
                milliseconds = measure_cpu(program, request, environment(address, folder, path))
                if number:
                    times[name].append(milliseconds)
        warm = json.loads(run("warm", request, environment(address, folder, trimmed)))
        authorizer = json.loads(run("warm_authorizer", request, environment(address, folder, trimmed)))
    empty = median(times["empty"])
    cold = {name: median(values) - empty for name, values in times.items()}
    yield ratio(
        "cold GET (import and first call), as packaged",
        cold["get"],
        cold["bare"],
        "ms",
        "bare boto3 client + GetItem",
        1.2,
        1.0,
    )
    yield ratio(
        "  with botocore's untrimmed data",
        cold["get, untrimmed"],
        cold["bare"],
        "ms",
        "bare boto3 client + GetItem",
        1.2,
    )
    quotient = (
        cold["get"] / cold["recipe"]
    )  # the bound is for a recipe with Tracer, whose SDK is not installed
    yield Line(
        "  compared with the usual recipe",
        f"{cold['get']:.1f} ms",
        f"{cold['recipe']:.1f} ms resolver, Logger, Metrics, entities",
        quotient,
        "≤ 0.6 × of a recipe with Tracer",
        True if quotient <= 0.6 else None,
    )
    yield ratio(
        "cold authorizer with a JWT, secret in memory, no botocore",
        cold["authorizer"],
        cold["bare"],
        "ms",
        "bare boto3 client + GetItem",
        0.35,
    )
    yield Line(
        "warm authorizer with a JWT, for a POST (reads four rows in a batch)",
        f"{authorizer['POST']:.0f} µs",
        f"{authorizer['GET']:.0f} µs for a GET (reads nothing)",
        authorizer["POST"] / authorizer["GET"],
    )
    yield ratio("warm GET /v1/users/me", warm["get_me"], warm["bare_user"], "µs", "bare PynamoDB get", 1.4)
    yield ratio(
        "warm GET /v1/agents/{id} (reads two rows in a batch)",
        warm["get_agent"],
        warm["bare_agent"],
        "µs",
        "bare PynamoDB get of one row",
        1.4,
    )


def _trim_botocore(folder: Path) -> str:
    """Copy botocore with the data that the layer contains; return the folder for PYTHONPATH."""
    copy = folder / "trimmed" / "botocore"
    shutil.copytree(Path(botocore.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    runpy.run_path(str(ROOT / "layers/deps/trim_botocore.py"))["trim"](copy / "data")
    return str(copy.parent)


def environment(address: str, folder: str, path: str) -> dict[str, str]:
    """Return the environment of a program: AWS at `address`, byte code in `folder`, `path` before our own code."""
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


def write_request(requests: Sample) -> str:
    """Return the input of the programs: events, and the key of the first row."""
    key = {name: requests.items[0][name] for name in ("pk", "sk")}
    return json.dumps({**asdict(requests), "items": None, "key": key})


def run(program: str, request: str, variables: dict[str, str]) -> str:
    """Run one of the programs with `request` as its input; return the last line of its output."""
    command = [sys.executable, str(PROGRAMS / f"{program}.py")]
    completed = subprocess.run(
        command, input=request, env=variables, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr + completed.stdout
    return completed.stdout.splitlines()[-1]


def measure_cpu(program: str, request: str, variables: dict[str, str]) -> float:
    """Return the CPU milliseconds of one process from its start to its end."""
    command = [sys.executable, str(PROGRAMS / f"{program}.py")]
    with tempfile.TemporaryFile("w+") as stdin, tempfile.TemporaryFile("w+") as output:
        stdin.write(request)
        stdin.seek(0)
        process = subprocess.Popen(
            command, stdin=stdin, env=variables, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        assert process.returncode == 0, f"{program}: {output.read()}"
    return (usage.ru_utime + usage.ru_stime) * 1000
