"""MiniStack itself, without the local host: it takes conditions, transactions and counters seriously; moto does not."""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from infra import cloudformation
from infra.local.ministack import MiniStack
from infra.local.options import REGION, read_options
from tests.agents.runs import Starter
from weconnect import encryption, payloads, table
from weconnect.agents import executions
from weconnect.settings import settings


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an emulator that has our table; each test makes an organization of its own in it."""
    state = tmp_path_factory.mktemp("ministack")
    (state / "log").mkdir()
    process = MiniStack(read_options(os.environ | {"STATE_DIR": str(state), "PORT": "0"}))
    try:
        asyncio.run(process.wait_until_up())
        client = boto3.client("dynamodb", region_name=REGION, endpoint_url=process.endpoint)
        client.create_table(**cloudformation.table_definition(settings.table_name))
        client.close()
        yield process.endpoint
    finally:
        process.stop()


@pytest.fixture
def aws(ministack: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lead everything that talks to AWS to the emulator, and forget afterwards that it ever was."""
    before = {name: getattr(settings, name) for name in ("endpoint_url", "mail_from")}
    _set(endpoint_url=ministack, mail_from="")
    monkeypatch.setattr(table.Row.Meta, "host", ministack)
    _forget_clients()
    yield
    _set(**before)
    _forget_clients()


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Starter:
    """What was asked of Lambda."""
    starter = Starter()
    monkeypatch.setattr(executions, "lambda_client", lambda: starter)
    return starter


def _set(**values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(settings, name, value)


def _forget_clients() -> None:
    kinds = [table.Row]
    for kind in kinds:
        kinds += kind.__subclasses__()
        kind._connection = None
    for client in (table._connection, payloads.s3, encryption.kms):
        client.cache_clear()
