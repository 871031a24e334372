"""Starts the event sources that the template's functions name: queues, the table's stream, schedules."""

import asyncio
import json
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.local.lambda_api import LambdaApi
from infra.local.pool import Pool
from infra.local.queues import poll_queue
from infra.local.resources import Clients
from infra.local.schedules import rule_targets, run_schedule, status_event
from infra.local.stream import Journal, StreamReader
from infra.local.template import Function, Template

CLEAN_SECONDS = 5


def event_sources(
    pool: Pool, clients: Clients, template: Template, journal: Journal, state: Path
) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield one endless coroutine for each event source."""
    queues = {
        template.scope.attributes[name, "Arn"]: template.scope.refs[name]
        for name, resource in template.resources.items()
        if resource["Type"] == "AWS::SQS::Queue"
    }
    readers = []
    for function in pool.functions.values():
        for name, source in function.events.items():
            properties = source.get("Properties", {})
            match source["Type"]:
                case "SQS":
                    yield poll_queue(pool, clients, function.id, queues[properties["Queue"]], properties)
                case "DynamoDB":
                    readers.append(_stream_reader(pool, clients, function, properties, journal, state))
                case "Schedule" | "ScheduleV2":
                    yield run_schedule(pool, function, name, properties)
    for reader in readers:
        yield reader.run()
    yield _delete_read_segments(journal, readers)


async def report_end(api: LambdaApi, functions: Mapping[str, Function], arn: str) -> None:
    """Tell the functions that listen for it that an execution has ended; a kill before that repeats it."""
    execution = await asyncio.to_thread(api.executions.get_execution, arn)
    event = status_event(api.by_name[execution.start_input.function_name], execution)
    for function in rule_targets(functions, event):
        await api.invoke_later(function, json.dumps(event).encode())
    api.executions.store.mark_reported(arn)


def _stream_reader(
    pool: Pool,
    clients: Clients,
    function: Function,
    properties: dict[str, Any],
    journal: Journal,
    state: Path,
) -> StreamReader:
    table = properties["Stream"].partition(":table/")[2].split("/")[0]
    schema = clients("dynamodb").describe_table(TableName=table)["Table"]["KeySchema"]
    keys = tuple(key["AttributeName"] for key in schema)
    return StreamReader(pool, clients, function.id, properties, journal, state, table, keys)


async def _delete_read_segments(journal: Journal, readers: list[StreamReader]) -> None:
    while True:
        journal.delete_read(readers)
        await asyncio.sleep(CLEAN_SECONDS)
