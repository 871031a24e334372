"""Redaction of an exported workflow for visitors who have only a link.

Secrets belong in variables, of which a definition contains only the names. This masks secrets that somebody wrote into
a text all the same, and URLs that are secrets themselves. In doubt it masks too much.
"""

import re
from collections.abc import Callable
from typing import Any

from weconnect.expressions.braces import split_at_braces
from weconnect.hiding import MASK
from weconnect.node_sdk.entities import Node
from weconnect.redaction import redact
from weconnect.security import secrecy
from weconnect.workflows.entities import WorkflowDefinition, WorkflowExport, WorkflowSettings

_ONLY_EXPRESSION = re.compile(r"""(?i)\s*((bearer|basic|token)\s+)?\{\{[^"'{}]*\}\}\s*""")
"""A text that is one expression without a string literal, such as `Bearer {{ $vars.token }}`."""
_SECRET_URL_PARTS = re.compile(
    r"(?i)((?<=/hooks/)|(?<=/callbacks/)|(?<=/shared/)|(?<=/webhook/)|(?<=/webhook-test/)|(?<=/webhooks/)"
    r"|(?<=hooks\.slack\.com/services/))[^\s\"'?#]+"
    r"|(?<=/bot)\d+:[\w-]+"
)
_SECRET_QUERY = re.compile(
    r"(?i)(?<=[?&])((?:[\w-]*(?:key|sig|signature|code|auth|pass|pwd|sid|secret|token))=)[^&\s\"'{]+"
)
_ASSIGNMENT = re.compile(
    r"""(?<![\w-])([\w-]{1,64})(["']?\]?\s{0,9}(?::\s{0,9}\w{1,32}\s{0,9})?[:=]{1,2}\s{0,9}[rbf]{0,2})"""
    r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')""",
    re.IGNORECASE,
)
"""A name with the string assigned to it in code, JSON or SQL: `password = "…"`, `"apiKey": "…"`."""
_CREDENTIAL_NAMES = re.compile(r"(?i)credentials?(_?ids?)?|webhook_?id|pin_?data|password|pwd|pass")


def redact_export(file: WorkflowExport) -> WorkflowExport:
    """Return the export with likely secrets masked in all texts, and without the originals of placeholders."""
    definition = file.definition
    return file.model_copy(
        update={
            "name": _redact_text(file.name),
            "description": _redact_text(file.description),
            "tags": [_redact_text(tag) for tag in file.tags],
            "definition": WorkflowDefinition(
                settings=_redact_settings(definition.settings),
                nodes=[_redact_node(node) for node in definition.nodes],
                connections=[
                    connection.model_copy(update={"condition": _redact_value(connection.condition)})
                    for connection in definition.connections
                ],
            ),
        }
    )


def _redact_settings(settings: WorkflowSettings) -> WorkflowSettings:
    """Return the settings with likely secrets masked in the concurrency key."""
    concurrency = settings.concurrency
    return settings.model_copy(
        update={
            "concurrency": concurrency
            and concurrency.model_copy(update={"key": _redact_value(concurrency.key)})
        }
    )


def _redact_node(node: Node) -> Node:
    """Return a node with likely secrets masked in its name, parameters and notes."""
    parameters = {name: _redact_value(value, name) for name, value in node.parameters.items()}
    if node.type == "http_request":
        parameters |= _redact_request(node.parameters)
    elif node.type == "crypto" and "key" in parameters:
        parameters["key"] = _mask(node.parameters["key"])
    elif node.type == "placeholder":
        parameters |= {"original": "", "isCut": True}
    values = {"name": _redact_text(node.name), "parameters": parameters, "notes": _redact_value(node.notes)}
    return node.model_copy(update=values)


def _redact_request(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return an HTTP request's headers and query with every value masked that may authorize it."""
    masked = {}
    if "headers" in parameters:
        masked["headers"] = _mask_selected(parameters["headers"], secrecy.is_secret_header)
    if "query" in parameters:
        masked["query"] = _mask_selected(
            parameters["query"], lambda name: secrecy.is_secret_parameter(name, "a long value")
        )
    return masked


def _mask_selected(values: Any, is_secret: Callable[[str], bool]) -> Any:
    """Mask the values whose names `is_secret` selects, and redact the others."""
    if not isinstance(values, dict):
        return _mask(values)
    return {
        _redact_text(name): _mask(value) if is_secret(name) else _redact_value(value, name)
        for name, value in values.items()
    }


def _redact_value(value: Any, name: str = "") -> Any:
    """Return a JSON value with likely secrets masked, by the names of its fields and the form of its texts."""
    if _is_secret(name):
        return _mask(value)
    if isinstance(value, dict):
        named = value.get("name") if "value" in value else None
        return {
            _redact_text(key): _redact_value(
                item, named if isinstance(named, str) and key == "value" else key
            )
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_redact_value(item, name) for item in value]
    return _redact_text(value) if isinstance(value, str) else value


def _is_secret(name: str) -> bool:
    """Return whether the name of a field says that its value is a secret."""
    return bool(_CREDENTIAL_NAMES.fullmatch(name)) or secrecy.is_secret_name(name)


def _mask(value: Any) -> Any:
    """Mask a value and all inside it; expressions, null, true and false stay."""
    if isinstance(value, dict):
        return {_redact_text(name): _mask(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_mask(item) for item in value]
    if (
        value is None
        or isinstance(value, bool)
        or (isinstance(value, str) and _ONLY_EXPRESSION.fullmatch(value))
    ):
        return value
    return MASK


def _redact_text(text: str) -> str:
    """Return a text without what looks like a secret; expressions and the text around them are examined separately."""
    parts = [
        redact(secrecy.mask_urls(part)) for part in split_at_braces(_ASSIGNMENT.sub(_mask_assignment, text))
    ]
    parts[1::2] = [f"{{{{{source}}}}}" for source in parts[1::2]]
    return _SECRET_QUERY.sub(rf"\g<1>{MASK}", _SECRET_URL_PARTS.sub(MASK, "".join(parts)))


def _mask_assignment(match: re.Match[str]) -> str:
    """Return a match of `_ASSIGNMENT` with its string masked when the name says that it is a secret."""
    name, between, quoted = match.groups()
    if not _is_secret(name) or len(quoted) == 2:
        return match[0]
    return f"{name}{between}{quoted[0]}{_mask(quoted[1:-1])}{quoted[0]}"
