"""Local hosts that serve the small project in `tests/host/project`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.local_host import LocalHost

PROJECT = Path(__file__).parent / "project"


class CounterTable:
    """The counters that the functions of the test project store in the host's table."""

    def __init__(self, host: LocalHost) -> None:
        self.client = host.client("dynamodb")
        self.name = "weconnect-table"

    def put(self, pk: str, sk: str = "x", **attributes: Any) -> None:
        self.client.put_item(TableName=self.name, Item={"pk": {"S": pk}, "sk": {"S": sk}, **attributes})

    def counts(self, pk: str) -> dict[str, int]:
        items = self.client.query(
            TableName=self.name,
            KeyConditionExpression="pk = :p",
            ExpressionAttributeValues={":p": {"S": pk}},
            ConsistentRead=True,
        )["Items"]
        return {item["sk"]["S"]: int(item.get("n", {"N": "0"})["N"]) for item in items}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHost]:
    """Start a host that serves the test project, shared by the tests of a module that do not kill it."""
    host = LocalHost(tmp_path_factory.mktemp("host"), PROJECT, {"TTL_SECONDS": "1"}).start()
    yield host
    host.stop()


@pytest.fixture
def own_host(tmp_path: Path) -> Iterator[LocalHost]:
    """Start a host for one test, which may kill it."""
    host = LocalHost(tmp_path / "state", PROJECT).start()
    yield host
    host.stop()


@pytest.fixture
def table(host: LocalHost) -> CounterTable:
    return CounterTable(host)
