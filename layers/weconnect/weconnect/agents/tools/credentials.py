"""A tool's secrets: its API key, and those in its endpoint and parameters: stored encrypted, sent, and hidden."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from weconnect.agents.tools.entities import AgentToolConfiguration
from weconnect.agents.tools.errors import ToolError
from weconnect.base_entity import JsonObject
from weconnect.hiding import Hiding
from weconnect.security import encryption, secret_fields

SecretsByPointer = dict[str, Any]

_PLAIN = frozenset(
    f"/parameters/{name}" for name in ("apiKeyHeader", "apiKeyPrefix", "tools", "method", "bodyFormat")
)


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


def take_out(configuration: AgentToolConfiguration) -> tuple[AgentToolConfiguration, SecretsByPointer]:
    """Return a configuration with its secrets masked, and the secrets by pointer; the API key is left out of both."""
    value = configuration.model_dump(mode="json", by_alias=True, exclude={"api_key"})
    masked, secrets = secret_fields.take_out(value, _PLAIN)
    update = {"api_endpoint": masked["apiEndpoint"], "parameters": masked["parameters"], "api_key": None}
    return configuration.model_copy(update=update), secrets


def put_back(configuration: AgentToolConfiguration, secrets: SecretsByPointer) -> AgentToolConfiguration:
    """Return a configuration with its secrets, by pointer, in the place of their masks."""
    value = configuration.model_dump(mode="json", by_alias=True, include={"api_endpoint", "parameters"})
    opened = secret_fields.put_back(value, secrets)
    return configuration.model_copy(
        update={"api_endpoint": opened["apiEndpoint"], "parameters": opened["parameters"]}
    )


def find_masks(configuration: AgentToolConfiguration) -> list[str]:
    """Return the pointers of the secrets that a configuration has only masks of."""
    value = configuration.model_dump(mode="json", by_alias=True, include={"api_endpoint", "parameters"})
    return secret_fields.find_masks(value)


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
