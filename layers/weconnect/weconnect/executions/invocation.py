"""Invocation of the durable functions that execute executions, and the list of those that have failed."""

import json
from typing import Any, NamedTuple

from weconnect import fault_injection
from weconnect.durable import client
from weconnect.executions.rows import AnyRow
from weconnect.log import logger

FAILED_STATUSES = ("FAILED", "TIMED_OUT", "STOPPED")
"""The statuses of ended durable executions that may have left their executions open."""
PAGE_SIZE = 100


class EndedDurableExecution(NamedTuple):
    """The name of a durable execution, and the status that it ended with."""

    name: str
    status: str


def list_failed(function: str, marker: str) -> tuple[list[EndedDurableExecution], str]:
    """Return a page of a function's durable executions that did not succeed, newest first, and the next page's marker.

    The platform keeps them for 14 days after their end. Without a marker the page is the first one, or was the last.
    """
    request: dict[str, Any] = {"FunctionName": function.partition(":")[0], "Statuses": [*FAILED_STATUSES]}
    response = client.lambda_client().list_durable_executions_by_function(
        **request, MaxItems=PAGE_SIZE, **({"Marker": marker} if marker else {})
    )
    ended = [
        EndedDurableExecution(each["DurableExecutionName"], each["Status"])
        for each in response["DurableExecutions"]
    ]
    return ended, response.get("NextMarker") or ""


def invoke(row: AnyRow) -> None:
    """Start the durable function of an admitted execution, by its name. Idempotent; the sweeper retries it later."""
    if row.queued_at:
        return
    call = row.function_call
    fault_injection.kill_point("before:invoke")
    try:
        client.lambda_client().invoke(
            FunctionName=call.function,
            InvocationType="Event",
            DurableExecutionName=call.durable_name,
            Payload=json.dumps(call.payload),
        )
    except Exception as error:
        logger.warning("execution not started; the sweeper will", execution_id=row.id, error=repr(error))
    fault_injection.kill_point("after:invoke")
