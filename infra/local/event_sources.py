"""The event sources of the template's functions: queues, the table's stream, schedules."""

import asyncio
import json
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.local.lambda_api import LambdaApi
from infra.local.provisioning import AwsClients
from infra.local.queues import poll_queue
from infra.local.sam_template import Function, Template
from infra.local.schedules import build_status_event, find_rule_targets, run_schedule
from infra.local.table_stream import JournalReader, StreamReader
from infra.local.worker_pool import Pool

CLEAN_SECONDS = 5


def connect_event_sources(
    pool: Pool, clients: AwsClients, template: Template, journal: JournalReader, state: Path
) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield an endless coroutine for each event source, and one that deletes the journal's segments once read."""
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
                    readers.append(_create_stream_reader(pool, clients, function, properties, journal, state))
                case "Schedule" | "ScheduleV2":
                    yield run_schedule(pool, function, name, properties)
    for reader in readers:
        yield reader.run()
    yield _delete_read_segments(journal, readers)


async def report_execution_end(api: LambdaApi, functions: Mapping[str, Function], arn: str) -> None:
    """Invoke the functions whose rules match the end of an execution; after a kill this is repeated."""
    execution = await asyncio.to_thread(api.executions.get_execution, arn)
    event = build_status_event(api.by_name[execution.start_input.function_name], execution)
    for function in find_rule_targets(functions, event):
        await api.invoke_later(function, json.dumps(event).encode())
    api.executions.store.mark_reported(arn)


def _create_stream_reader(
    pool: Pool,
    clients: AwsClients,
    function: Function,
    properties: dict[str, Any],
    journal: JournalReader,
    state: Path,
) -> StreamReader:
    """Return the reader that delivers the stream of a table to a function."""
    table = properties["Stream"].partition(":table/")[2].split("/")[0]
    schema = clients("dynamodb").describe_table(TableName=table)["Table"]["KeySchema"]
    keys = tuple(key["AttributeName"] for key in schema)
    return StreamReader(pool, clients, function.id, properties, journal, state, table, keys)


async def _delete_read_segments(journal: JournalReader, readers: list[StreamReader]) -> None:
    """Delete the journal's segments that every reader has read, every 5 s until cancelled."""
    while True:
        journal.delete_read(readers)
        await asyncio.sleep(CLEAN_SECONDS)
