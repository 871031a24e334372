"""The routes of auth in the tests that call every route."""

import pyotp

from tests.api.module_matrix import ExampleRequest, ModuleMatrix, Side, created
from tests.factories import PASSWORD, client_with_tokens
from tests.gateway import Client
from weconnect import clock


def add_entities(side: Side) -> None:
    """Create two API keys, an execution limit, and a second session of the owner."""
    client, user = side.client, side.person.user
    api_key = created(client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}))
    created(client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}))
    limit = client.put(f"/v1/execution-limits/{user['id']}/hourly", {"maxExecutions": 1_000})
    assert limit.status == 200, limit.text
    credentials = {"email": user["email"], "password": PASSWORD}
    assert Client().post("/v1/auth/login", credentials).status == 200
    sessions = client.get("/v1/auth/sessions").json["items"]
    (other_session,) = [session for session in sessions if not session["current"]]
    side.ids |= {"apiKeyId": api_key["id"], "sessionId": other_session["id"]}


def _enroll_mfa(client: Client) -> dict[str, str]:
    """Enroll a second factor; return its first code and the password."""
    secret = client.post("/v1/auth/mfa/enroll").json.get("secret", pyotp.random_base32())
    return {"code": pyotp.TOTP(secret).at(clock.now()), "password": PASSWORD}


def _enable_mfa(client: Client) -> dict[str, str]:
    """Enable a second factor; return the password and a recovery code."""
    enrolled = client.post("/v1/auth/mfa/enroll").json
    code = pyotp.TOTP(enrolled.get("secret", pyotp.random_base32())).at(clock.now())
    client.post("/v1/auth/mfa/confirm", {"code": code, "password": PASSWORD})
    return {"password": PASSWORD, "code": enrolled.get("recoveryCodes", ["none at all"])[0]}


def _promote_colleagues(client: Client) -> dict[str, str]:
    """Make all colleagues owners wherever the caller is one, so that the caller can leave; return the password."""
    for organization in client.get("/v1/organizations").json.get("items", []):
        path = f"/v1/organizations/{organization['id']}"
        switched = client.post(f"{path}/switch")
        if organization["role"] == "owner" and switched.status == 200:
            there = client_with_tokens(switched.json)
            for member in there.get(f"{path}/members").json["items"]:
                there.patch(f"{path}/members/{member['userId']}", {"role": "owner", "password": PASSWORD})
    return {"password": PASSWORD}


MATRIX = ModuleMatrix(
    names={"limitType": "hourly"},
    attempt_counters=("LOGIN#", "LOGINS#", "REGISTRATIONS#"),
    add_entities=add_entities,
    requests={
        "change_password": ExampleRequest(
            {"currentPassword": PASSWORD, "newPassword": "Another-Horse-8-Battery"}, kind="person"
        ),
        "confirm_mfa": ExampleRequest(
            {"code": "123456", "password": PASSWORD}, prepare=_enroll_mfa, kind="person"
        ),
        "create_api_key": ExampleRequest({"name": "new", "scopes": ["agents:read"]}, kind="person"),
        "delete_api_key": ExampleRequest(kind="own"),
        "delete_execution_limit": ExampleRequest(),
        "delete_me": ExampleRequest({"password": PASSWORD}, prepare=_promote_colleagues, kind="person"),
        "delete_session": ExampleRequest(kind="own"),
        "disable_mfa": ExampleRequest(
            {"password": PASSWORD, "code": "123456"}, prepare=_enable_mfa, kind="person"
        ),
        "enroll_mfa": ExampleRequest(kind="person", takes_no_input=True),
        "export_me": ExampleRequest(kind="person"),
        "finish_sso": ExampleRequest(query="?state=unknown&code=x", is_public=True),
        "forgot_password": ExampleRequest({"email": "nobody@example.com"}, is_public=True),
        "get_api_key": ExampleRequest(kind="own"),
        "get_me": ExampleRequest(takes_no_input=True),
        "get_user": ExampleRequest(),
        "list_api_keys": ExampleRequest(kind="person"),
        "list_execution_limits": ExampleRequest(),
        "list_sessions": ExampleRequest(kind="person"),
        "list_users": ExampleRequest(),
        "login": ExampleRequest({"email": "nobody@example.com", "password": "wrong"}, is_public=True),
        "logout": ExampleRequest(kind="person"),
        "put_execution_limit": ExampleRequest({"maxExecutions": 7}),
        "refresh_session": ExampleRequest({"refreshToken": "not a token"}, is_public=True),
        "register": ExampleRequest(
            {"email": "new@example.com", "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace"},
            is_public=True,
        ),
        "resend_verification": ExampleRequest({"email": "nobody@example.com"}, is_public=True),
        "reset_password": ExampleRequest({"token": "not a token", "password": PASSWORD}, is_public=True),
        "rotate_api_key": ExampleRequest({"overlapSeconds": 60}, kind="own"),
        "start_sso": ExampleRequest({"organization": "nobody"}, is_public=True),
        "update_api_key": ExampleRequest({"name": "changed"}, kind="own"),
        "update_me": ExampleRequest({"firstName": "Changed"}, kind="person"),
        "update_user": ExampleRequest({"isActive": True}),
        "verify_email": ExampleRequest({"token": "not a token"}, is_public=True),
    },
)
