"""The demo data that `make run` creates once: an operator's account, an agent and a workflow, each with executions."""

import contextlib
import json
import os
import re
import secrets
import shlex
from pathlib import Path
from typing import Any

from infra.local import demo_workflow
from infra.local.demo_client import ApiError, Client

EMAIL = "demo@example.com"
AGENT = {
    "name": "Demo assistant",
    "description": "Calculates, tells dates, fetches pages, remembers. Rules, not a language model.",
    "provider": "embedded",
    "model": "embedded",
    "configuration": {"systemPrompt": "You are a helpful assistant.", "memoryType": "semantic"},
}
TOOLS = ["calculator", "date_time", "http_request", "memory_search", "memory_save"]


def seed(address: str, state: Path) -> list[str]:
    """Create the demo data unless it exists; return the lines to print, with commands to paste.

    Each step is recorded at once, so that the next start continues after a kill.
    """
    path = state / "demo.json"
    demo = json.loads(path.read_text()) if path.exists() else {}
    client = Client(address)
    for name, create in STEPS.items():
        if name not in demo:
            demo[name] = create(client, state, demo)
            _save(path, demo)
    return _describe_demo(address, demo)


def register(client: Client, email: str, password: str) -> Any:
    """Register a user with a personal organization."""
    body = {"email": email, "password": password, "firstName": "Demo", "lastName": "User"}
    return client.call("POST", "/v1/auth/register", body | {"organizationName": "Demo organization"})


def verify_email(client: Client, state: Path, email: str) -> None:
    """Verify an e-mail address with the token in the mailbox."""
    client.call("POST", "/v1/auth/verify-email", {"token": read_mailed_token(state, email, "confirm")})


def read_mailed_token(state: Path, email: str, about: str) -> str:
    """Return the token of the newest mail to an address whose text contains `about`."""
    mails = sorted((state / "mailbox").glob(f"*-{email}.txt"), key=lambda path: path.stat().st_mtime)
    texts = [text for path in mails if about in (text := path.read_text())]
    assert texts, f"no mail to {email}"
    token = re.search(r"Your token:\s+(\S+)", texts[-1])
    assert token, f"no token in {texts[-1]}"
    return token[1]


def _create_password(client: Client, state: Path, demo: dict[str, Any]) -> str:
    """Return a random password for the demo user."""
    return secrets.token_urlsafe(16)


def _create_organization(client: Client, state: Path, demo: dict[str, Any]) -> str:
    """Register the demo user, make them an operator, and return the organization's ID. Idempotent.

    The address of an operator is proved by a new password, which here is the old one.
    """
    with contextlib.suppress(ApiError):  # registered by a start that was killed
        register(client, EMAIL, demo["password"])
    client.call("POST", "/v1/auth/forgot-password", {"email": EMAIL})
    token = read_mailed_token(state, EMAIL, "someone requested a new password")
    with contextlib.suppress(ApiError):  # after several starts that were killed no further mail is sent
        client.call("POST", "/v1/auth/reset-password", {"token": token, "password": demo["password"]})
    return str(_log_in(client, demo).call("GET", "/v1/users/me")["currentOrganizationId"])


def _create_api_key(client: Client, state: Path, demo: dict[str, Any]) -> str:
    """Create an API key with all permissions and return it."""
    permissions = {"canRead": True, "canWrite": True, "canDelete": True, "canExecute": True}
    body = {"name": "demo", "scopes": ["*"], "permissions": permissions}
    return str(_log_in(client, demo).call("POST", "/v1/api-keys", body)["key"])


def _create_agent(client: Client, state: Path, demo: dict[str, Any]) -> str:
    """Create the agent with its tools and return its ID; agents of an interrupted start are deleted first."""
    user = _log_in(client, demo)
    for unfinished in user.call("GET", "/v1/agents")["items"]:
        user.call("DELETE", f"/v1/agents/{unfinished['id']}")
    agent = user.call("POST", "/v1/agents", AGENT)
    for tool in TOOLS:
        user.call("POST", f"/v1/agents/{agent['id']}/tools", {"toolName": tool})
    return str(agent["id"])


def _execute_agent(client: Client, state: Path, demo: dict[str, Any]) -> str:
    """Execute the agent twice and return the ID of the second execution."""
    user = _log_in(client, demo)
    user.execute_agent(demo["agentId"], "Remember that my favourite colour is teal")
    return str(user.execute_agent(demo["agentId"], "What is 12 * 12?")["id"])


def _create_workflow(client: Client, state: Path, demo: dict[str, Any]) -> str:
    """Create the workflow and return its path; workflows of an interrupted start are deleted first."""
    user = _log_in(client, demo)
    for unfinished in user.call("GET", "/v1/workflows")["items"]:
        user.call("DELETE", f"/v1/workflows/{unfinished['id']}")
    return demo_workflow.create(user, demo["agentId"])


def _execute_workflow(client: Client, state: Path, demo: dict[str, Any]) -> str:
    """Execute the workflow and return the ID of the execution."""
    return str(demo_workflow.execute(_log_in(client, demo), demo["workflow"])["id"])


STEPS = {
    "password": _create_password,
    "organizationId": _create_organization,
    "apiKey": _create_api_key,
    "agentId": _create_agent,
    "executionId": _execute_agent,
    "workflow": _create_workflow,
    "workflowExecutionId": _execute_workflow,
}


def _log_in(client: Client, demo: dict[str, Any]) -> Client:
    """Return a client with an access token of the demo user."""
    signed_in = client.call("POST", "/v1/auth/login", {"email": EMAIL, "password": demo["password"]})
    return client.with_access_token(signed_in["accessToken"])


def _save(path: Path, demo: dict[str, Any]) -> None:
    """Write the file atomically and readable by its owner only: it holds a password and an API key."""
    draft = path.with_suffix(".part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(demo, file, indent=1)
    draft.replace(path)


def _describe_demo(address: str, demo: dict[str, Any]) -> list[str]:
    """Return the lines to print: the demo user's login, and curl commands with the demo's IDs and API key."""
    agent = f"{address}/v1/agents/{demo['agentId']}"
    key = f"-H 'X-API-Key: {demo['apiKey']}'"
    json_body = "-H 'Content-Type: application/json'"
    question = shlex.quote(json.dumps({"input": "What is my favourite colour?"}))
    call = shlex.quote(json.dumps({"input": demo_workflow.WEBHOOK_CALL}))
    execution = f"{address}/v1/executions/{demo['workflowExecutionId']}"
    return [
        f"demo user: {EMAIL} / {demo['password']} (operates this deployment)",
        "",
        "Commands to paste:",
        "",
        "# 1. ask the demo agent about something that an earlier execution told it",
        f"curl -s -X POST {agent}/executions {key} {json_body} -H 'Prefer: wait=20' -d {question}",
        "",
        "# 2. read an execution with its steps: model requests and tool calls",
        f"curl -s {agent}/executions/{demo['executionId']} {key}",
        "",
        "# 3. list the agent's memories",
        f"curl -s {agent}/memories {key}",
        "",
        "# 4. execute the demo workflow as a webhook does: branches, and the agent as one of its nodes",
        f"curl -s -X POST {address}{demo['workflow']}/executions {key} {json_body} -H 'Prefer: wait=20' -d {call}",
        "",
        "# 5. draw the timeline of one of its executions",
        f"curl -s {execution}/timeline {key} -H 'Accept: image/svg+xml' > timeline.svg",
        "",
    ]
