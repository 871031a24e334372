"""The programs of `make bench`: each does its work, so that the measurement is never found broken when it is needed."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.bench import starts, stub
from tests.bench.starts import PROGRAMS


@pytest.mark.parametrize("program", ["bare_client", "cold_authorizer", "cold_get", "default_recipe"])
def test_a_program_of_the_bench_does_its_work(tmp_path: Path, program: str) -> None:
    requests = starts.sample()
    key = {name: requests.items[0][name] for name in ("pk", "sk")}
    request = json.dumps({**asdict(requests), "items": None, "key": key})
    with stub.serve(requests.items) as address:
        assert (PROGRAMS / f"{program}.py").is_file()
        starts._measure_cpu(program, request, starts.environment(address, str(tmp_path), ""))
