"""Structured logs, one JSON object a line; secrets are masked before a line is written."""

import json
from typing import Any

from aws_lambda_powertools import Logger

from weconnect.redaction import Redaction, redact


def _line(entry: dict[str, Any]) -> str:
    """Serialize a log entry; exceptions become text only here, after the filter, so redact again."""
    return json.dumps(redact(entry), default=lambda value: redact(str(value)), ensure_ascii=False)


logger = Logger(utc=True, json_serializer=_line)
logger.addFilter(Redaction())
