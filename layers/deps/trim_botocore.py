"""Cut botocore's data to the services that WeConnect calls: less to ship, and less to read at every cold start."""

import gzip
import json
import shutil
import sys
from pathlib import Path

SERVICES = (
    "bedrock-runtime",
    "dynamodb",
    "events",
    "kms",
    "lambda",
    "rds-data",
    "s3",
    "secretsmanager",
    "sesv2",
    "sns",
    "sqs",
    "ssm",
    "sts",
)


def trim(data: Path) -> None:
    """Remove the models of other services from `botocore/data`, and their lines from its endpoints."""
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in SERVICES:
            shutil.rmtree(folder)
    for examples in data.glob("*/*/examples-1.json*"):
        examples.unlink()
    prefixes = {_endpoint_prefix(data / service) for service in SERVICES}
    path = data / "endpoints.json"
    endpoints = json.loads(path.read_text())
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in services if name in prefixes}
    path.write_text(json.dumps(endpoints, separators=(",", ":")))


def _endpoint_prefix(service: Path) -> str:
    newest = max(service.glob("*/service-2.json.gz"))
    return str(json.loads(gzip.decompress(newest.read_bytes()))["metadata"]["endpointPrefix"])


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
