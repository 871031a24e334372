"""A function that counts each change of a watched item; the first delivery of the item `flaky` fails."""

from typing import Any

from app.clients import add


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failures = []
    for record in event["Records"]:
        change = record["dynamodb"]
        name = change["Keys"]["pk"]["S"].removeprefix("WATCHED#")
        by = "#ttl" if record.get("userIdentity", {}).get("principalId") == "dynamodb.amazonaws.com" else ""
        count = add("CHANGE", f"{name}#{record['eventName']}{by}")
        if name == "flaky" and count == 1:
            failures.append({"itemIdentifier": change["SequenceNumber"]})
    return {"batchItemFailures": failures}
