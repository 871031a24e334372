"""The routes of organizations in the tests that call every route."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import pytest

from tests.api.module_matrix import ExampleRequest, ModuleMatrix, Side, World, created
from tests.auth import sent_mails
from tests.factories import PASSWORD, client_with_tokens, register
from tests.gateway import Client
from tests.organizations.organization_helpers import create_membership, verify_email
from weconnect import ids
from weconnect.auth.sso import oidc
from weconnect.organizations.billing import billing
from weconnect.organizations.domains import dns_lookup

ISSUER = "https://idp.example.com"
ENDPOINTS = oidc.Endpoints(f"{ISSUER}/authorize", f"{ISSUER}/token", f"{ISSUER}/keys", False, False)
INVITATION_TOKENS: dict[str, str] = {}
"""The tokens of open invitations by the id of the invited user."""


def mock_services(patch: pytest.MonkeyPatch) -> None:
    """Replace the identity provider, DNS and Stripe."""
    records = _Records()
    patch.setattr(dns_lookup, "read_txt", lambda _: records)
    patch.setattr(oidc, "discover", lambda issuer: ENDPOINTS)
    prices = {"starter": "s", "pro": "p", "enterprise": "e"}
    patch.setattr(billing._secret, "_value", {"secretKey": "sk", "prices": prices})
    patch.setattr(billing, "_create_client", lambda *_: MagicMock())
    patch.setattr(billing, "_call", _fake_stripe)
    patch.setattr(billing, "_require_return_url", lambda: "https://app.example.com")


class _Records(list[str]):
    """TXT records that have every value."""

    def __contains__(self, _: object) -> bool:
        return True


def _fake_stripe(_: Any, params: dict[str, Any], options: Any = None) -> Any:
    """Return an object that serves as a customer and as a link."""
    return SimpleNamespace(
        id=f"cus_{params.get('metadata', {}).get('organizationId')}", url="https://stripe.example"
    )


def add_entities(side: Side) -> None:
    """Create an identity provider, members, roles, invitations, a Stripe customer and a deleted organization."""
    person, client, path = side.person, side.client, f"/v1/organizations/{side.ids['organizationId']}"
    verify_email(person)
    provider = {"issuer": ISSUER, "clientId": "weconnect", "clientSecret": "a secret"}
    assert client.put(f"{path}/identity-provider", provider).status == 200
    other = register(f"other-{person.user['email']}", verified=True)
    create_membership(person.organization["id"], other.user["id"], "viewer")
    create_membership(person.organization["id"], register(f"co-{person.user['email']}").user["id"], "owner")
    role, _ = (
        created(client.post(f"{path}/roles", {"name": name, "permissions": ["agents:read"]})) for name in "ab"
    )
    invitation, _ = (
        created(client.post(f"{path}/invitations", {"email": f"{name}@example.com"})) for name in "ab"
    )
    for domain in ("first.example", "second.example"):
        assert client.put(f"{path}/domains/{domain}").status == 200
    assert client.post(f"{path}/billing/checkout", {"plan": "pro"}).status == 200
    trashed = created(client.post("/v1/organizations", {"name": "Trashed"}))["id"]
    there = client_with_tokens(client.post(f"/v1/organizations/{trashed}/switch").json)
    assert there.delete(f"/v1/organizations/{trashed}").status == 204
    assert client.post(f"{path}/switch").status == 200
    side.ids |= {
        "otherUserId": other.user["id"],
        "roleId": role["id"],
        "invitationId": invitation["id"],
        "trashedOrganizationId": trashed,
    }


def complete_world(world: World) -> None:
    """Invite the owners and colleagues to a third organization, and remember their tokens."""
    host = register("host@example.com")
    verify_email(host)
    path = f"/v1/organizations/{host.organization['id']}/invitations"
    for client in (world.owner.client, world.stranger.client, *world.colleagues.values()):
        me = client.get("/v1/users/me").json
        created(host.client.post(path, {"email": me["email"], "role": "viewer"}))
        INVITATION_TOKENS[me["id"]] = sent_mails.last_token()


def _invitation_token(client: Client) -> dict[str, str]:
    """Return the token of the caller's invitation."""
    return {"token": INVITATION_TOKENS.get(client.get("/v1/users/me").json.get("id", ""), "none")}


def _choose_new_owner(client: Client) -> dict[str, str]:
    """Choose another member of the caller's organization."""
    me = client.get("/v1/users/me").json
    members = client.get(f"/v1/organizations/{me.get('currentOrganizationId')}/members").json.get("items", [])
    others = sorted(member["userId"] for member in members if member["userId"] != me["id"])
    return {"userId": others[0] if others else str(ids.new_id()), "password": PASSWORD}


MATRIX = ModuleMatrix(
    add_entities=add_entities,
    complete_world=complete_world,
    mock_services=mock_services,
    names={"domain": "first.example", "newDomain": "new.example"},
    requests={
        "accept_invitation": ExampleRequest({"token": "none"}, prepare=_invitation_token, kind="person"),
        "create_invitation": ExampleRequest({"email": "invited@example.com", "role": "viewer"}),
        "create_organization": ExampleRequest({"name": "Another"}, kind="person"),
        "create_role": ExampleRequest({"name": "A new role", "permissions": ["agents:read"]}),
        "decline_invitation": ExampleRequest({"token": "not a token"}, is_public=True),
        "delete_domain": ExampleRequest(),
        "delete_identity_provider": ExampleRequest(),
        "delete_organization": ExampleRequest(kind="owner"),
        "delete_role": ExampleRequest(),
        "export_organization": ExampleRequest(kind="owner"),
        "get_identity_provider": ExampleRequest(),
        "get_member": ExampleRequest(),
        "get_organization": ExampleRequest(),
        "get_role": ExampleRequest(),
        "get_usage": ExampleRequest(),
        "leave_organization": ExampleRequest(kind="person"),
        "list_domains": ExampleRequest(),
        "list_invitations": ExampleRequest(),
        "list_members": ExampleRequest(),
        "list_organizations": ExampleRequest(),
        "list_roles": ExampleRequest(),
        "open_billing_portal": ExampleRequest(),
        "put_domain": ExampleRequest(ids={"domain": "newDomain"}),
        "put_identity_provider": ExampleRequest(
            {"issuer": ISSUER, "clientId": "another", "clientSecret": "another secret"}, kind="admin"
        ),
        "put_plan": ExampleRequest({"plan": "free"}, kind="operator"),
        "receive_stripe_event": ExampleRequest({}, is_public=True, takes_no_input=True),
        "remove_member": ExampleRequest(ids={"userId": "otherUserId"}),
        "resend_invitation": ExampleRequest(),
        "restore_organization": ExampleRequest(ids={"organizationId": "trashedOrganizationId"}, kind="own"),
        "revoke_invitation": ExampleRequest(),
        "start_checkout": ExampleRequest({"plan": "pro"}),
        "switch_organization": ExampleRequest(kind="person"),
        "transfer_ownership": ExampleRequest(
            {"userId": str(UUID(int=1)), "password": PASSWORD}, prepare=_choose_new_owner, kind="owner"
        ),
        "update_member": ExampleRequest({"role": "member"}, ids={"userId": "otherUserId"}),
        "update_organization": ExampleRequest({"name": "Changed"}),
        "update_role": ExampleRequest({"description": "changed"}),
        "verify_domain": ExampleRequest(),
    },
)
