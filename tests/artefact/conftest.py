"""The artefact that `make artefact` built, and a local host that runs it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.artefact.execution_environment import Package
from tests.artefact.packages import read_packages
from tests.host.local_host import LocalHost


@pytest.fixture(scope="session")
def packages() -> dict[str, Package]:
    return read_packages(Path(os.environ["ARTEFACT"]))


@pytest.fixture(scope="session")
def host(packages: dict[str, Package], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHost]:
    state = tmp_path_factory.mktemp("host")
    host = LocalHost(state, environment={"BCRYPT_COST": "4"}, module="tests.artefact.packaged_host").start()
    yield host
    host.stop()
