"""Invocation of the durable functions that execute executions."""

import json

from weconnect import fault_injection
from weconnect.durable import client
from weconnect.executions.rows import AnyRow
from weconnect.log import logger


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
