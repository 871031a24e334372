from typing import Any

from app.clients import client


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    client("sesv2").send_email(
        FromEmailAddress="weconnect@localhost",
        Destination={"ToAddresses": ["ann@example.com"]},
        Content={"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "token-123"}}}},
    )
    return {"statusCode": 204}
