import json
import os
from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the event, the context and the environment."""
    context_fields = {
        "function_name": context.function_name,
        "invoked_function_arn": context.invoked_function_arn,
        "memory_limit_in_mb": context.memory_limit_in_mb,
        "aws_request_id": context.aws_request_id,
        "remaining": context.get_remaining_time_in_millis(),
        "pid": os.getpid(),
    }
    names = ("STAGE", "PLAN", "GREETING", "OWN", "AWS_LAMBDA_FUNCTION_NAME", "WECONNECT_KILL_AT")
    body = {
        "event": event,
        "context": context_fields,
        "environment": {name: os.environ.get(name) for name in names},
    }
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "X-Test": "yes"},
        "cookies": ["a=1", "b=2"],
        "body": json.dumps(body),
    }
