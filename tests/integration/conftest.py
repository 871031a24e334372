"""MiniStack itself, without the local host: it takes conditions, transactions and counters seriously; moto does not."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from pynamodb.connection import TableConnection

from infra import cloudformation
from infra.local.options import REGION
from tests.integration.emulator import emulator
from tests.integration.racing import hang_up
from weconnect.db import payloads, table
from weconnect.security import encryption
from weconnect.settings import settings


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an emulator that has our table; each test makes an organization of its own in it."""
    with emulator(tmp_path_factory.mktemp("ministack")) as address:
        client = boto3.client("dynamodb", region_name=REGION, endpoint_url=address)
        client.create_table(**cloudformation.table_definition(settings.table_name, vectors=True))
        client.close()
        yield address


@pytest.fixture(scope="session")
def rows(ministack: str) -> Iterator[TableConnection]:
    """The rows' connection to the emulator, made once: to make a client takes as long as a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table.Row, "_connection", None)
        patch.setattr(table.Row.Meta, "host", ministack)
        patch.setattr(table.Row.Meta, "max_pool_connections", 100, raising=False)
        found = table.Row._get_connection()
        client = found.connection.client
    yield found
    client.close()


@pytest.fixture
def aws(ministack: str, rows: TableConnection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lead everything that talks to AWS to the emulator, and forget afterwards that it ever was."""
    before = {name: getattr(settings, name) for name in ("endpoint_url", "mail_from")}
    _set(endpoint_url=ministack, mail_from="")
    monkeypatch.setattr(table.Row, "_connection", rows)
    for client in (payloads.s3, encryption.kms):
        client.cache_clear()
    yield
    hang_up()
    _set(**before)
    for client in (payloads.s3, encryption.kms):
        client.cache_clear()


def _set(**values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(settings, name, value)
