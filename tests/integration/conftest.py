"""MiniStack without the local host: it is exact about conditions, transactions and counters; moto is not."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from pynamodb.connection import TableConnection

from infra import cloudformation
from infra.local.settings import REGION
from tests.integration.emulator import running_emulator
from tests.integration.racing import close_connections
from weconnect.db import payloads, table
from weconnect.security import encryption
from weconnect.settings import settings


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of an emulator with our table; each test creates an organization of its own in it."""
    with running_emulator(tmp_path_factory.mktemp("ministack")) as address:
        client = boto3.client("dynamodb", region_name=REGION, endpoint_url=address)
        client.create_table(**cloudformation.read_table_definition(settings.table_name, vectors=True))
        client.close()
        yield address


@pytest.fixture(scope="session")
def rows(ministack: str) -> Iterator[TableConnection]:
    """Yield the rows' connection to the emulator, created once: creating a client takes as long as a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table.Row, "_connection", None)
        patch.setattr(table.Row.Meta, "host", ministack)
        patch.setattr(table.Row.Meta, "max_pool_connections", 100, raising=False)
        patch.setattr(table.Row.Meta, "read_timeout_seconds", 60)  # it serves one request at a time
        connection = table.Row._get_connection()
        client = connection.connection.client
    yield connection
    client.close()


@pytest.fixture
def aws(ministack: str, rows: TableConnection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Send everything for AWS to the emulator, and restore the settings and clients afterwards."""
    before = {name: getattr(settings, name) for name in ("endpoint_url", "mail_from")}
    _set(endpoint_url=ministack, mail_from="")
    monkeypatch.setattr(table.Row, "_connection", rows)
    for client in (payloads.s3_client, encryption.kms_client):
        client.cache_clear()
    yield
    close_connections()
    _set(**before)
    for client in (payloads.s3_client, encryption.kms_client):
        client.cache_clear()


def _set(**values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(settings, name, value)
