"""A function that counts each message; a message `<name>:fail:<n>` fails until it was delivered more than n times."""

from typing import Any

from app.clients import add


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failures = []
    for record in event["Records"]:
        name, _, times = record["body"].partition(":fail:")
        if add("QUEUE", name) <= int(times or 0):
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
