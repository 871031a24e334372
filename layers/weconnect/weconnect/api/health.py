"""The service itself: is it alive, is what it stands on there, what does it offer."""

from pathlib import Path
from typing import Literal

import boto3

from weconnect.base_entity import Wire
from weconnect.db import table
from weconnect.errors import Unavailable
from weconnect.log import logger
from weconnect.security import signing
from weconnect.settings import settings

OPENAPI = Path(__file__).with_name("openapi.json")


class Health(Wire):
    status: Literal["ok"] = "ok"


def readiness() -> Health:
    """Try the table, the queue, the bucket and the keys; raises Unavailable naming those that fail."""
    tries = {
        "table": lambda: table.get_many([("READINESS", "READINESS")]),
        "queue": lambda: boto3.client("sqs", region_name=settings.region).get_queue_attributes(
            QueueUrl=settings.purge_queue_url, AttributeNames=["QueueArn"]
        ),
        "bucket": lambda: boto3.client("s3", region_name=settings.region).head_bucket(
            Bucket=settings.bucket_name
        ),
        "key": lambda: boto3.client("kms", region_name=settings.region).describe_key(KeyId=settings.key_arn),
        "signing secret": signing.current,
    }
    failing = []
    for name, attempt in tries.items():
        try:
            attempt()
        except Exception as error:
            logger.warning("not ready", part=name, error=repr(error))
            failing.append(name)
    if failing:
        errors = [{"pointer": f"/{name}", "detail": "does not answer"} for name in failing]
        raise Unavailable(f"Not ready: {', '.join(failing)}", code="not_ready", errors=errors)
    return Health()


def openapi() -> str:
    """The OpenAPI document, written at build time."""
    return OPENAPI.read_text()


def docs() -> str:
    """Swagger UI in one page, its files from Powertools' own copy: no CDN."""
    import aws_lambda_powertools.event_handler.openapi.swagger_ui as bundled

    folder = Path(bundled.__file__).parent
    script = (folder / "swagger-ui-bundle.min.js").read_text()
    style = (folder / "swagger-ui.min.css").read_text()
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>WeConnect API</title>'
        f'<style>{style}</style></head><body><div id="ui"></div><script>{script}</script>'
        "<script>SwaggerUIBundle({url:'/openapi.json',dom_id:'#ui',deepLinking:true,persistAuthorization:true,"
        "tagsSorter:'alpha'})</script></body></html>"
    )
