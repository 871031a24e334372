"""The state of the service itself, and its documentation."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import boto3
from aws_lambda_powertools.event_handler import Response

from weconnect.api.errors import NotReady
from weconnect.api.responses import CONTENT_POLICY
from weconnect.base_entity import ApiModel
from weconnect.db import table
from weconnect.errors import FieldError
from weconnect.log import logger
from weconnect.security import signing
from weconnect.settings import settings

OPENAPI = Path(__file__).with_name("openapi.json")


class Health(ApiModel):
    """The state of the service."""

    status: Literal["ok"] = "ok"


def check_readiness() -> Health:
    """Call the table, queue, bucket and keys; raise NotReady naming those that do not respond."""
    probes: dict[str, Callable[[], object]] = {
        "table": lambda: table.get_many([("READINESS", "READINESS")]),
        "queue": lambda: boto3.client("sqs", region_name=settings.region).get_queue_attributes(
            QueueUrl=settings.purge_queue_url, AttributeNames=["QueueArn"]
        ),
        "bucket": lambda: boto3.client("s3", region_name=settings.region).head_bucket(
            Bucket=settings.bucket_name
        ),
        "key": lambda: boto3.client("kms", region_name=settings.region).describe_key(KeyId=settings.key_arn),
        "signing secret": signing.current_key,
    }
    failing = []
    for name, probe in probes.items():
        try:
            probe()
        except Exception as error:
            logger.warning("dependency not ready", dependency=name, error=repr(error))
            failing.append(name)
    if failing:
        errors: list[FieldError] = [{"pointer": f"/{name}", "detail": "does not respond"} for name in failing]
        raise NotReady(f"Not ready: {', '.join(failing)}", errors=errors)
    return Health()


def openapi_document() -> str:
    """Return the OpenAPI document, which `make api` writes."""
    return OPENAPI.read_text()


def show_docs() -> Response[str]:
    """Return a page with Swagger UI; its Content-Security-Policy lets exactly its own scripts execute.

    Its files are Powertools' own copy: no CDN. Swagger UI needs styles of elements and pictures in data URLs.
    """
    from aws_lambda_powertools.event_handler.openapi import swagger_ui as bundled  # cold start

    folder = Path(bundled.__file__).parent
    script = (folder / "swagger-ui-bundle.min.js").read_text()
    style = (folder / "swagger-ui.min.css").read_text()
    start = (
        "SwaggerUIBundle({url:'/openapi.json',dom_id:'#ui',deepLinking:true,persistAuthorization:true,"
        "tagsSorter:'alpha'})"
    )
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'"
        for each in (script, start)
    )
    policy = (
        f"{CONTENT_POLICY}; script-src {hashes}; style-src 'unsafe-inline'; img-src 'self' data:; "
        "font-src data:; connect-src 'self'"
    )
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>WeConnect API</title>'
        f'<style>{style}</style></head><body><div id="ui"></div><script>{script}</script>'
        f"<script>{start}</script></body></html>"
    )
    return Response(200, "text/html; charset=utf-8", page, headers={"Content-Security-Policy": policy})
