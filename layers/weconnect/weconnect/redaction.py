"""Secrets masked in log records, on the standard library alone: the authorizer has no other."""

import logging
import re
from typing import Any

from weconnect import hiding
from weconnect.hiding import MASK

_SECRET_NAMES = re.compile(
    r"(?i)password|secret|authorization|cookie|private.?key|token(?!s)|api.?key$|^ciphertext$|^mfa.?code$"
)
_JWT = re.compile(r"(?i)eyJ[\w-]{8,}+(\.[\w-]++\.[\w-]++)?")
"""A JWT; without its group a word that only begins like one, read to its end so that it is read once."""
_SECRET_TEXT = re.compile(
    r"(?i)(wc_[A-Za-z0-9_-]{43}"  # our API keys
    r"|(?<=bearer )[^\s\"',;]+|(?<=basic )[^\s\"',;]+"
    r"|\bsk-[\w-]{8,}|AKIA[0-9A-Z]{16}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?<=[?&]key=)[^&\s\"']+|(?<=[?&]token=)[^&\s\"']+|(?<=[?&]api_key=)[^&\s\"']+)"
)


def redact(value: Any, name: str = "") -> Any:
    """Return a copy of a JSON-like value without secrets: those of the work under way, and by their name or form."""
    if name and isinstance(value, str | bytes | int | float) and _SECRET_NAMES.search(name):
        return MASK
    if isinstance(value, str):
        without_tokens = _JWT.sub(lambda match: MASK if match[1] else match[0], hiding.hide(value))
        return _SECRET_TEXT.sub(MASK, without_tokens)
    if isinstance(value, dict):
        return {hiding.hide(key): redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, name) for item in value]
    return hiding.hide(value)


class Redaction(logging.Filter):
    """Masks secrets in what a logger writes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask secrets in a log record, in place; always return True, so that it is logged."""
        record.msg = redact(record.getMessage() if record.args else record.msg)
        record.args = None
        for name, value in list(record.__dict__.items()):
            if name not in _STANDARD:
                setattr(record, name, redact(value, name))
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return True


_STANDARD = frozenset(vars(logging.makeLogRecord({})))


def get_plain_logger(name: str) -> logging.Logger:
    """Return a logger of the standard library whose lines have no secrets. Lambda writes them as JSON."""
    logger = logging.getLogger(name)
    if not logger.filters:
        logger.addFilter(Redaction())
    return logger
