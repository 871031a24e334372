"""A local host of each module's own, which may call the services of the tests and nothing else on this machine."""

from collections.abc import Iterator

import pytest

from tests.e2e.services import Effects, Services
from tests.host.local_host import LocalHost


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    with Services() as services:
        yield services


@pytest.fixture(scope="module")
def effects() -> Iterator[Effects]:
    with Effects() as effects:
        yield effects


@pytest.fixture(scope="module")
def host(
    tmp_path_factory: pytest.TempPathFactory, services: Services, effects: Effects
) -> Iterator[LocalHost]:
    environment = {"OUTBOUND_ALLOWED_HOSTS": f"{services.place},{effects.place}", "BCRYPT_COST": "4"}
    host = LocalHost(tmp_path_factory.mktemp("host"), environment=environment).start()
    yield host
    host.stop()
