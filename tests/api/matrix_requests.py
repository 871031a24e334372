"""One valid request for each route, as the tenancy matrix sends it.

A new route needs an entry in `REQUESTS`; the ids in its path come from `Side.ids` by the parameter's name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pyotp

from tests.factories import PASSWORD, client_with_tokens
from tests.gateway import ApiResponse, Client
from weconnect import clock, ids
from weconnect.api.operation import Operation

ISSUER = "https://idp.example.com"


@dataclass(frozen=True)
class ExampleRequest:
    """A valid request: its body, its query, and the ids to use for path parameters instead of those of the same name.

    `prepare` replaces `body` where the body depends on the caller: it prepares the caller and returns the body.
    """

    body: Any = None
    query: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Client], Any] | None = None

    def path(self, operation: Operation, ids: Mapping[str, str]) -> str:
        """Return the path and query of the request, with a side's ids."""
        names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
        return operation.path.format(**{name: ids[self.ids.get(name, name)] for name in names}) + self.query

    def send(
        self, client: Client, operation: Operation, ids: Mapping[str, str], **options: Any
    ) -> ApiResponse:
        """Send the request as `client`, with a side's ids."""
        sender = Client(client.headers | options.get("headers", {}), client.ip)
        body = self.prepare(sender) if self.prepare else self.body
        return client.call(operation.method, self.path(operation, ids), body, **options)


def _enroll_mfa(client: Client) -> dict[str, str]:
    """Enroll a second factor; return its first code."""
    secret = client.post("/v1/auth/mfa/enroll").json.get("secret", pyotp.random_base32())
    return {"code": pyotp.TOTP(secret).at(clock.now())}


def _enable_mfa(client: Client) -> dict[str, str]:
    """Enable a second factor; return the password and a recovery code."""
    enrolled = client.post("/v1/auth/mfa/enroll").json
    code = pyotp.TOTP(enrolled.get("secret", pyotp.random_base32())).at(clock.now())
    client.post("/v1/auth/mfa/confirm", {"code": code})
    return {"password": PASSWORD, "code": enrolled.get("recoveryCodes", ["none at all"])[0]}


def _promote_colleagues(client: Client) -> None:
    """Make all colleagues owners wherever the caller is one, so that the caller can leave."""
    for organization in client.get("/v1/organizations").json.get("items", []):
        path = f"/v1/organizations/{organization['id']}"
        switched = client.post(f"{path}/switch")
        if organization["role"] == "owner" and switched.status == 200:
            there = client_with_tokens(switched.json)
            for member in there.get(f"{path}/members").json["items"]:
                there.patch(f"{path}/members/{member['userId']}", {"role": "owner"})


INVITATION_TOKENS: dict[str, str] = {}
"""The tokens of open invitations by the id of the invited user."""


def _invitation_token(client: Client) -> dict[str, str]:
    """Return the token of the caller's invitation."""
    return {"token": INVITATION_TOKENS.get(client.get("/v1/users/me").json.get("id", ""), "none")}


def _choose_new_owner(client: Client) -> dict[str, str]:
    """Choose another member of the caller's organization."""
    me = client.get("/v1/users/me").json
    members = client.get(f"/v1/organizations/{me.get('currentOrganizationId')}/members").json.get("items", [])
    others = sorted(member["userId"] for member in members if member["userId"] != me["id"])
    return {"userId": others[0] if others else str(ids.new_id())}


# Path parameters that are the same for all tenants.
NOT_IDS = {"limitType", "version", "type", "nodeId", "nodeExecutionId", "token"}
TRIGGER = {"id": "start", "name": "Start", "type": "manual"}

REQUESTS: dict[str, ExampleRequest] = {
    "accept_invitation": ExampleRequest({"token": "none"}, prepare=_invitation_token),
    "change_password": ExampleRequest(
        {"currentPassword": PASSWORD, "newPassword": "Another-Horse-8-Battery"}
    ),
    "confirm_mfa": ExampleRequest({"code": "123456"}, prepare=_enroll_mfa),
    "delete_me": ExampleRequest(prepare=_promote_colleagues),
    "delete_session": ExampleRequest(),
    "disable_mfa": ExampleRequest({"password": PASSWORD, "code": "123456"}, prepare=_enable_mfa),
    "enroll_mfa": ExampleRequest(),
    "export_me": ExampleRequest(),
    "forgot_password": ExampleRequest({"email": "nobody@example.com"}),
    "get_user": ExampleRequest(),
    "list_sessions": ExampleRequest(),
    "list_users": ExampleRequest(),
    "resend_verification": ExampleRequest({"email": "nobody@example.com"}),
    "reset_password": ExampleRequest({"token": "not a token", "password": PASSWORD}),
    "update_me": ExampleRequest({"firstName": "Changed"}),
    "update_user": ExampleRequest({"isActive": True}),
    "call_mcp": ExampleRequest({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
    "cancel_agent_execution": ExampleRequest(ids={"executionId": "pendingExecutionId"}),
    "create_agent": ExampleRequest({"name": "A new agent"}),
    "create_agent_memory": ExampleRequest(
        {"content": "The sky is blue", "key": "sky", "sessionId": "session-1"}
    ),
    "create_agent_tool": ExampleRequest({"toolName": "http_request"}),
    "create_invitation": ExampleRequest({"email": "invited@example.com", "role": "viewer"}),
    "create_organization": ExampleRequest({"name": "Another"}),
    "create_role": ExampleRequest({"name": "A new role", "permissions": ["agents:read"]}),
    "create_api_key": ExampleRequest({"name": "new", "scopes": ["agents:read"]}),
    "decide_approval": ExampleRequest({"decision": "approve", "note": "go ahead"}),
    "delete_agent": ExampleRequest(),
    "delete_agent_memory": ExampleRequest(),
    "delete_agent_tool": ExampleRequest(),
    "delete_api_key": ExampleRequest(),
    "delete_execution_limit": ExampleRequest(),
    "delete_identity_provider": ExampleRequest(),
    "delete_organization": ExampleRequest(),
    "delete_role": ExampleRequest(),
    "export_organization": ExampleRequest(),
    "duplicate_agent": ExampleRequest(),
    "erase_agent_session": ExampleRequest(query="?sessionId=session-1"),
    "get_agent": ExampleRequest(),
    "get_agent_execution": ExampleRequest(),
    "get_agent_memory": ExampleRequest(),
    "get_agent_stats": ExampleRequest(),
    "get_agent_tool": ExampleRequest(),
    "get_agent_version": ExampleRequest(),
    "get_api_key": ExampleRequest(),
    "get_approval": ExampleRequest(),
    "get_identity_provider": ExampleRequest(),
    "get_me": ExampleRequest(),
    "get_member": ExampleRequest(),
    "get_organization": ExampleRequest(),
    "get_role": ExampleRequest(),
    "get_usage": ExampleRequest(),
    "leave_organization": ExampleRequest(),
    "list_agent_executions": ExampleRequest(),
    "list_agent_memories": ExampleRequest(),
    "list_agent_sessions": ExampleRequest(),
    "list_agent_tools": ExampleRequest(),
    "list_agent_versions": ExampleRequest(),
    "list_agents": ExampleRequest(),
    "list_api_keys": ExampleRequest(),
    "list_approvals": ExampleRequest(),
    "list_execution_limits": ExampleRequest(),
    "list_invitations": ExampleRequest(),
    "list_members": ExampleRequest(),
    "list_model_providers": ExampleRequest(),
    "list_organizations": ExampleRequest(),
    "list_roles": ExampleRequest(),
    "open_billing_portal": ExampleRequest(),
    "open_mcp_stream": ExampleRequest(),
    "put_plan": ExampleRequest({"plan": "free"}),
    "remove_member": ExampleRequest(ids={"userId": "otherUserId"}),
    "resend_invitation": ExampleRequest(),
    "restore_organization": ExampleRequest(ids={"organizationId": "trashedOrganizationId"}),
    "revoke_invitation": ExampleRequest(),
    "start_checkout": ExampleRequest({"plan": "pro"}),
    "transfer_ownership": ExampleRequest({"userId": str(UUID(int=1))}, prepare=_choose_new_owner),
    "update_member": ExampleRequest({"role": "member"}, ids={"userId": "otherUserId"}),
    "update_organization": ExampleRequest({"name": "Changed"}),
    "update_role": ExampleRequest({"description": "changed"}),
    "logout": ExampleRequest(),
    "put_execution_limit": ExampleRequest({"maxExecutions": 7}),
    "put_identity_provider": ExampleRequest(
        {"issuer": ISSUER, "clientId": "another", "clientSecret": "another secret"}
    ),
    "publish_agent_version": ExampleRequest(),
    "restore_agent": ExampleRequest(ids={"agentId": "trashedAgentId"}),
    "rotate_api_key": ExampleRequest({"overlapSeconds": 60}),
    "search_agent_memories": ExampleRequest({"query": "colour"}),
    "start_agent_execution": ExampleRequest({"input": "hello", "sessionId": "session-1"}),
    "switch_organization": ExampleRequest(),
    "test_agent_tool": ExampleRequest({"arguments": {"expression": "1 + 1"}}),
    "update_agent": ExampleRequest({"description": "changed", "configuration": {"temperature": 0.5}}),
    "update_agent_memory": ExampleRequest({"content": "My favourite colour is red"}),
    "update_agent_tool": ExampleRequest({"description": "changed"}),
    "update_api_key": ExampleRequest({"name": "changed"}),
    "activate_workflow": ExampleRequest({}),
    "archive_workflow": ExampleRequest(),
    "create_workflow": ExampleRequest({"name": "A new workflow", "nodes": [TRIGGER]}),
    "deactivate_workflow": ExampleRequest(),
    "delete_workflow": ExampleRequest(),
    "diff_workflow_versions": ExampleRequest(query="?to=1"),
    "duplicate_workflow": ExampleRequest(),
    "export_workflow": ExampleRequest(),
    "get_node_type": ExampleRequest(),
    "get_workflow": ExampleRequest(),
    "get_workflow_version": ExampleRequest(),
    "import_workflow": ExampleRequest({"name": "Imported", "definition": {"nodes": [TRIGGER]}}),
    "list_node_types": ExampleRequest(),
    "list_workflow_versions": ExampleRequest(),
    "list_workflows": ExampleRequest(),
    "restore_workflow": ExampleRequest(ids={"workflowId": "trashedWorkflowId"}),
    "restore_workflow_version": ExampleRequest(),
    "update_workflow": ExampleRequest({"description": "changed", "nodes": [TRIGGER]}),
    "create_variable": ExampleRequest({"name": "brand_new", "value": "x"}),
    "delete_variable": ExampleRequest(),
    "get_variable": ExampleRequest(),
    "list_variables": ExampleRequest(),
    "update_variable": ExampleRequest({"value": "another secret"}),
    "validate_workflow": ExampleRequest({"nodes": [TRIGGER]}),
    "bulk_executions": ExampleRequest({"action": "cancel", "filter": {"status": "pending"}}),
    "create_workflow_share": ExampleRequest({"sharedWithRole": "member", "level": "execute"}),
    "list_workflow_shares": ExampleRequest(),
    "revoke_workflow_share": ExampleRequest(),
    "update_workflow_share": ExampleRequest({"level": "edit"}),
    "cancel_execution": ExampleRequest(ids={"executionId": "pendingWorkflowExecutionId"}),
    "delete_execution": ExampleRequest(ids={"executionId": "workflowExecutionId"}),
    "get_execution": ExampleRequest(ids={"executionId": "workflowExecutionId"}),
    "get_execution_file": ExampleRequest(ids={"executionId": "workflowExecutionId"}),
    "get_execution_timeline": ExampleRequest(ids={"executionId": "workflowExecutionId"}),
    "get_node_execution": ExampleRequest(ids={"executionId": "workflowExecutionId"}),
    "get_workflow_diagram": ExampleRequest(),
    "list_execution_logs": ExampleRequest(ids={"executionId": "workflowExecutionId"}),
    "wait_for_execution_events": ExampleRequest(ids={"executionId": "workflowExecutionId"}),
    "list_executions": ExampleRequest(),
    "list_node_executions": ExampleRequest(ids={"executionId": "workflowExecutionId"}),
    "pause_execution": ExampleRequest(ids={"executionId": "pendingWorkflowExecutionId"}),
    "resume_execution": ExampleRequest(ids={"executionId": "pausingWorkflowExecutionId"}),
    "retry_execution": ExampleRequest({"from": "start"}, ids={"executionId": "workflowExecutionId"}),
    "start_execution": ExampleRequest({"input": {"n": 1}}),
    "test_node": ExampleRequest({"input": {"main": [{"n": 1}]}}),
    "cancel_job": ExampleRequest(),
    "get_job": ExampleRequest(),
    "list_jobs": ExampleRequest(),
    # Public routes: the matrix only checks that they require no caller.
    "complete_callback": ExampleRequest({"value": 1}),
    "get_shared_workflow": ExampleRequest(),
    "decline_invitation": ExampleRequest({"token": "not a token"}),
    "receive_stripe_event": ExampleRequest({}),
    "finish_sso": ExampleRequest(query="?state=unknown&code=x"),
    "get_docs": ExampleRequest(),
    "get_health": ExampleRequest(),
    "get_openapi": ExampleRequest(),
    "get_readiness": ExampleRequest(),
    "login": ExampleRequest({"email": "nobody@example.com", "password": "wrong"}),
    "refresh_session": ExampleRequest({"refreshToken": "not a token"}),
    "register": ExampleRequest(
        {"email": "new@example.com", "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace"}
    ),
    "start_sso": ExampleRequest({"organization": "nobody"}),
    "verify_email": ExampleRequest({"token": "not a token"}),
}
