"""A durable function with `steps` steps that count in the table, then a wait, a callback or a failure."""

import time
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration

from app.clients import add


@durable_execution
def handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    name = event["name"]
    for number in range(event.get("steps", 3)):

        def work(_: Any, number: int = number) -> int:
            count = add(f"RUN#{name}", f"step-{number}")
            time.sleep(event.get("seconds", 0))
            return count

        context.step(work, name=f"step-{number}")
    if event.get("wait"):
        context.wait(Duration.from_seconds(event["wait"]))
    if event.get("callback"):
        callback = context.create_callback(
            "approval", CallbackConfig(timeout=Duration.from_seconds(event["callback"]))
        )
        context.step(lambda _: add(f"RUN#{name}", f"callback#{callback.callback_id}"), name="tell")
        return {"answer": callback.result()}
    if event.get("fail"):
        raise ValueError("as requested")
    return {"name": name}
