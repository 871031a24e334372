"""`python -m infra.replay_records BUCKET FUNCTION`: process discarded stream records again, with your AWS credentials.

Each object of the bucket is one batch that Lambda discarded. It is deleted once the function has processed it;
processing it twice does no harm.
"""

import json
import sys
from typing import Any

import boto3


def replay(bucket: str, function: str, s3: Any, lambda_client: Any) -> list[str]:
    """Send each batch to the function, oldest first, and return the keys of those that failed again and remain."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    objects = [item for page in pages for item in page.get("Contents", [])]
    return [
        item["Key"]
        for item in sorted(objects, key=lambda item: item["LastModified"])
        if not _replay_batch(bucket, item["Key"], function, s3, lambda_client)
    ]


def _replay_batch(bucket: str, key: str, function: str, s3: Any, lambda_client: Any) -> bool:
    """Send one batch and delete its object; return False when a record of it failed."""
    invocation = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    response = lambda_client.invoke(FunctionName=function, Payload=invocation["payload"].encode())
    result = json.loads(response["Payload"].read())
    if "FunctionError" in response or result["batchItemFailures"]:
        return False
    s3.delete_object(Bucket=bucket, Key=key)
    return True


if __name__ == "__main__":
    remaining = replay(sys.argv[1], sys.argv[2], boto3.client("s3"), boto3.client("lambda"))
    sys.exit("\n".join(["Failed again:", *remaining]) if remaining else None)
