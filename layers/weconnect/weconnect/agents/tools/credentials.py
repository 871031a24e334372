"""A tool's secrets: its API key, and those in its endpoint and parameters: stored encrypted, sent, and hidden."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from weconnect.agents.tools.entities import AgentToolConfiguration
from weconnect.agents.tools.errors import ToolError
from weconnect.base_entity import JsonObject
from weconnect.errors import FieldError, Invalid
from weconnect.hiding import Hiding
from weconnect.security import encryption, secret_fields

SecretsByPointer = dict[str, Any]

_PLAIN = ("apiKeyHeader", "apiKeyPrefix", "tools", "method", "bodyFormat")
_WITH_NAMES = ("headers", "query", "body")


def api_key_header(parameters: Mapping[str, Any], api_key: str | None) -> dict[str, str]:
    """Return the header with the key: `Authorization: Bearer …`, unless `apiKeyHeader` and `apiKeyPrefix` differ."""
    if not api_key:
        return {}
    name = str(parameters.get("apiKeyHeader") or "authorization").lower()
    prefix = parameters.get("apiKeyPrefix", "Bearer " if name == "authorization" else "")
    return {name: f"{prefix or ''}{api_key}"}


def hide_secrets(configuration: AgentToolConfiguration, api_key: str | None) -> Hiding:
    """Return what hides a tool's key, and the other secrets in its configuration, with the words in them."""
    hiding = Hiding([api_key] if api_key else [])
    _, secrets = take_out(configuration)
    for pointer, secret in secrets.items():
        text = secret if isinstance(secret, str) else json.dumps(secret)
        hiding.add(text)
        if pointer.endswith("@"):  # user:password
            hiding.add(text.partition(":")[2])
        hiding.add_derived(text)
    return hiding


def take_out(
    configuration: AgentToolConfiguration, restored: frozenset[str] = frozenset()
) -> tuple[AgentToolConfiguration, SecretsByPointer]:
    """Return a configuration with its secrets masked, and the secrets by pointer; the API key is left out of both.

    `restored` are pointers of what was secret before, and stays so.
    """
    value = configuration.model_dump(mode="json", by_alias=True, exclude={"api_key"})
    fields = _find_fields(configuration)
    masked, secrets = secret_fields.take_out(value, fields._replace(secret=fields.secret | restored))
    update = {"api_endpoint": masked["apiEndpoint"], "parameters": masked["parameters"], "api_key": None}
    return configuration.model_copy(update=update), secrets


def put_back(configuration: AgentToolConfiguration, secrets: SecretsByPointer) -> AgentToolConfiguration:
    """Return a stored configuration with its secrets, by pointer, in the place of their masks."""
    return _replace(configuration, secret_fields.put_back(_dump(configuration), secrets))


def restore(
    requested: AgentToolConfiguration, stored: AgentToolConfiguration, secrets: SecretsByPointer
) -> tuple[AgentToolConfiguration, frozenset[str]]:
    """Return a requested configuration with the stored secrets in place of masks, and the pointers of those.

    Raises Invalid for a mask that does not stand where the stored one stands.
    """
    restored = secret_fields.restore(_dump(requested), _dump(stored), secrets, _find_fields(requested))
    if restored.refused:
        errors: list[FieldError] = [
            {"pointer": f"/configuration{pointer}", "detail": "mask without a secret"}
            for pointer in dict.fromkeys(restored.refused)
        ]
        raise Invalid(
            f"No secret is stored for {errors[0]['pointer']} as the request has it, because names, labels or members "
            "around it differ. Send the secret itself instead of its mask.",
            errors=errors,
        )
    return _replace(requested, restored.value), restored.pointers


def _dump(configuration: AgentToolConfiguration) -> JsonObject:
    """Return the fields of a configuration that may have secrets, as JSON."""
    return configuration.model_dump(mode="json", by_alias=True, include={"api_endpoint", "parameters"})


def _replace(configuration: AgentToolConfiguration, value: JsonObject) -> AgentToolConfiguration:
    """Return a configuration with the fields that `_dump` returns replaced."""
    return configuration.model_copy(
        update={"api_endpoint": value["apiEndpoint"], "parameters": value["parameters"]}
    )


def _find_fields(configuration: AgentToolConfiguration) -> secret_fields.Fields:
    """Return the pointers of parameters without secrets, and of those whose meaning is unknown."""
    unknown = (configuration.parameters or {}).keys() - {*_PLAIN, *_WITH_NAMES}
    escaped = (name.replace("~", "~0").replace("/", "~1") for name in unknown)
    return secret_fields.Fields(
        plain=frozenset(f"/parameters/{name}" for name in _PLAIN),
        secret=frozenset(f"/parameters/{name}" for name in escaped),
    )


def find_masks(configuration: AgentToolConfiguration) -> list[str]:
    """Return the pointers of the secrets that a configuration has only masks of."""
    return secret_fields.find_masks(_dump(configuration))


def open_configuration(
    organization_id: UUID, tool_id: UUID, configuration: AgentToolConfiguration, sealed: str | None
) -> AgentToolConfiguration:
    """Return a stored configuration with its secrets decrypted. Raises ToolError for one that has lost a secret."""
    opened = put_back(configuration, decrypt_secrets(organization_id, tool_id, sealed))
    if masks := find_masks(opened):
        raise ToolError(f"The tool has lost the secret configuration{masks[0]}. Its owner can set it again")
    return opened


def encrypt_secrets(
    organization_id: UUID, tool_id: UUID, secrets: SecretsByPointer, version: int
) -> str | None:
    """Encrypt the secrets of a tool's configuration for its row; None without any."""
    if not secrets:
        return None
    return encryption.encrypt(
        organization_id,
        kind="AGENTTOOL",
        id=str(tool_id),
        field="configuration",
        text=json.dumps(secrets),
        secret_version=version,
    )


def decrypt_secrets(organization_id: UUID, tool_id: UUID, sealed: str | None) -> SecretsByPointer:
    """Decrypt the secrets of a tool's configuration, by pointer."""
    if sealed is None:
        return {}
    text = encryption.decrypt(
        organization_id, kind="AGENTTOOL", id=str(tool_id), field="configuration", sealed=sealed
    )
    secrets: JsonObject = json.loads(text)
    return secrets


def encrypt_key(organization_id: UUID, tool_id: UUID, api_key: str, version: int) -> str:
    """Encrypt a tool's API key for its row; `version` counts the keys that the tool has had."""
    return encryption.encrypt(
        organization_id,
        kind="AGENTTOOL",
        id=str(tool_id),
        field="apiKey",
        text=api_key,
        secret_version=version,
    )


def decrypt_key(organization_id: UUID, tool_id: UUID, sealed_key: str | None) -> str | None:
    """Decrypt a tool's API key; None for a tool without one."""
    if sealed_key is None:
        return None
    return encryption.decrypt(
        organization_id, kind="AGENTTOOL", id=str(tool_id), field="apiKey", sealed=sealed_key
    )
