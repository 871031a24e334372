"""A local host for each module, which may call the tests' services and nothing else on this machine."""

from collections.abc import Iterator

import pytest

from tests.e2e.fake_services import Effects, ModelAndTools
from tests.host.local_host import LocalHost


@pytest.fixture(scope="module")
def services() -> Iterator[ModelAndTools]:
    with ModelAndTools() as services:
        yield services


@pytest.fixture(scope="module")
def effects() -> Iterator[Effects]:
    with Effects() as effects:
        yield effects


@pytest.fixture(scope="module")
def host(
    tmp_path_factory: pytest.TempPathFactory, services: ModelAndTools, effects: Effects
) -> Iterator[LocalHost]:
    environment = {"OUTBOUND_ALLOWED_HOSTS": f"{services.address},{effects.address}", "BCRYPT_COST": "4"}
    host = LocalHost(tmp_path_factory.mktemp("host"), environment=environment).start()
    yield host
    host.stop()
