"""The demo that `make run` makes once: a user who operates the deployment, an organization, an agent, two runs."""

import json
import os
import re
import secrets
import shlex
from pathlib import Path
from typing import Any

from infra.local.client import Client

EMAIL = "demo@example.com"
AGENT = {
    "name": "Demo assistant",
    "description": "Calculates, tells dates, fetches pages, remembers. Its rules are built in and are no language model.",
    "provider": "embedded",
    "model": "embedded",
    "configuration": {"systemPrompt": "You are a helpful assistant.", "memoryType": "semantic"},
}
TOOLS = ["calculator", "date_time", "http_request", "memory_search", "memory_save"]


def seed(address: str, state: Path) -> list[str]:
    """Make the demo unless it is there; answers the lines to print, with three commands that can be pasted."""
    kept = state / "demo.json"
    if not kept.exists():
        _keep(kept, _make(Client(address), state))
    demo = json.loads(kept.read_text())
    return _lines(address, demo)


def register(client: Client, email: str, password: str) -> Any:
    """Register a user with a personal organization."""
    body = {"email": email, "password": password, "firstName": "Demo", "lastName": "User"}
    return client.call("POST", "/v1/auth/register", body | {"organizationName": "Demo organization"})


def verify(client: Client, state: Path, email: str) -> None:
    """Confirm an address with the token in the mailbox."""
    mails = sorted((state / "mailbox").glob(f"*-{email}.txt"), key=lambda path: path.stat().st_mtime)
    token = re.search(r"Your token:\s+(\S+)", mails[-1].read_text())
    assert token, f"no token in {mails[-1]}"
    client.call("POST", "/v1/auth/verify-email", {"token": token[1]})


def _make(client: Client, state: Path) -> dict[str, Any]:
    password = secrets.token_urlsafe(16)
    registered = register(client, EMAIL, password)
    verify(client, state, EMAIL)
    signed_in = client.call("POST", "/v1/auth/login", {"email": EMAIL, "password": password})
    user = client.signed_in(signed_in["accessToken"])
    permissions = {"canRead": True, "canWrite": True, "canDelete": True, "canExecute": True}
    key = user.call("POST", "/v1/api-keys", {"name": "demo", "scopes": ["*"], "permissions": permissions})
    agent = user.call("POST", "/v1/agents", AGENT)
    for tool in TOOLS:
        user.call("POST", f"/v1/agents/{agent['id']}/tools", {"toolName": tool})
    user.run(agent["id"], "Remember that my favourite colour is teal")
    run = user.run(agent["id"], "What is 12 * 12?")
    return {
        "email": EMAIL,
        "password": password,
        "apiKey": key["key"],
        "organizationId": registered["organization"]["id"],
        "agentId": agent["id"],
        "executionId": run["id"],
    }


def _keep(path: Path, demo: dict[str, Any]) -> None:
    """Written whole or not at all, and readable by its owner alone: it holds a password and a key."""
    draft = path.with_suffix(".part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(demo, file, indent=1)
    draft.replace(path)


def _lines(address: str, demo: dict[str, Any]) -> list[str]:
    agent = f"{address}/v1/agents/{demo['agentId']}"
    key = f"-H 'X-API-Key: {demo['apiKey']}'"
    json_body = "-H 'Content-Type: application/json'"
    question = shlex.quote(json.dumps({"input": "What is my favourite colour?"}))
    return [
        f"demo user: {demo['email']} / {demo['password']}",
        "",
        "Three commands to paste:",
        "",
        "# 1. ask the demo agent something it was told in an earlier run",
        f"curl -s -X POST {agent}/executions {key} {json_body} -H 'Prefer: wait=20' -d {question}",
        "",
        "# 2. read a run with its steps: model requests and tool calls",
        f"curl -s {agent}/executions/{demo['executionId']} {key}",
        "",
        "# 3. see what the agent remembers",
        f"curl -s {agent}/memories {key}",
        "",
    ]
