"""The text of an invitation's mail."""

import json
from urllib.parse import quote

from weconnect import mail
from weconnect.identity.rows import UserRow
from weconnect.organizations.entities import Organization
from weconnect.organizations.rows import InvitationRow
from weconnect.settings import settings


def compose(row: InvitationRow, organization: Organization, inviter: UserRow, token: str) -> tuple[str, str]:
    """Return subject and text: a link when the deployment has a front end, and commands for `curl`."""
    name = mail.to_safe_name(f"{inviter.first_name} {inviter.last_name}")
    organization_name = mail.to_safe_name(organization.name)
    lines = [
        "Hello,",
        "",
        f"{name} ({inviter.email}) invites you to {organization_name} on WeConnect, as {row.role}. "
        f"The invitation is valid until {row.to_entity().expires_at:%Y-%m-%d %H:%M} UTC.",
    ]
    if settings.app_url:
        lines += ["", f"{settings.app_url.rstrip('/')}/invitation?token={quote(token)}"]
    lines += ["", "Your token:", "", token]
    if url := mail.find_base_url():
        accept = json.dumps({"token": token})
        register = json.dumps(
            {
                "email": row.email,
                "password": "…",
                "firstName": "…",
                "lastName": "…",
                "invitationToken": token,
            },
            ensure_ascii=False,
        )
        lines += ["", "With an account (replace $ACCESS with your access token):", ""]
        lines += [
            _build_curl_command(f'{url}/v1/invitations/accept -H "Authorization: Bearer $ACCESS"', accept)
        ]
        lines += ["", "Without one:", "", _build_curl_command(f"{url}/v1/auth/register", register)]
        lines += ["", "To decline:", "", _build_curl_command(f"{url}/v1/invitations/decline", accept)]
    lines += ["", "If you do not know the sender, ignore this mail.", ""]
    return f"{name} invites you to {organization_name}", "\n".join(lines)


def _build_curl_command(target: str, body: str) -> str:
    """Return the command that posts the JSON text `body` to the URL `target`, quoted for a shell."""
    quoted = body.replace("'", "'\\''")
    return f"curl -X POST {target} -H 'content-type: application/json' -d '{quoted}'"
