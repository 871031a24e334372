"""The programs of `make bench`: each does its work, so that the measurement is not found broken when it is needed."""

import pytest

from tests.bench import starts, stub
from tests.bench.world import sample


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a folder for the byte code, which the programs share."""
    return str(tmp_path_factory.mktemp("bench"))


@pytest.mark.parametrize("program", ["cold_get", "cold_authorizer", "default_recipe"])
def test_a_program_of_the_bench_does_its_work(folder: str, program: str) -> None:
    requests = sample()
    request = starts.write_request(requests)
    with stub.serve(requests.items) as address:
        assert starts.measure_cpu(program, request, starts.environment(address, folder, "")) > 0
