"""What an invitation's mail says."""

import json
from urllib.parse import quote

from weconnect import mail
from weconnect.auth.rows import UserRow
from weconnect.organizations.entities import Organization
from weconnect.organizations.rows import InvitationRow
from weconnect.settings import settings


def text(row: InvitationRow, organization: Organization, inviter: UserRow, token: str) -> tuple[str, str]:
    """Subject and text: a link where a front end takes it, and commands where there is none."""
    who, where = _line(f"{inviter.first_name} {inviter.last_name}"), _line(organization.name)
    lines = [
        "Hello,",
        "",
        f"{who} ({inviter.email}) invites you to {where} on WeConnect, as {row.role}. The invitation is good until "
        f"{row.to_entity().expires_at:%Y-%m-%d %H:%M} UTC.",
    ]
    if settings.app_url:
        lines += ["", f"{settings.app_url.rstrip('/')}/invitation?token={quote(token)}"]
    lines += ["", "Your token:", "", token]
    if url := mail.base_url():
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
        lines += ["", "With an account (put your access token in the place of $ACCESS):", ""]
        lines += [_command(f'{url}/v1/invitations/accept -H "Authorization: Bearer $ACCESS"', accept)]
        lines += ["", "Without one:", "", _command(f"{url}/v1/auth/register", register)]
        lines += ["", "To decline:", "", _command(f"{url}/v1/invitations/decline", accept)]
    lines += ["", "If you do not know the sender, ignore this mail.", ""]
    return f"{who} invites you to {where}", "\n".join(lines)


def _line(text: str) -> str:
    """A name that strangers chose, on one line and not too long."""
    return " ".join(text.split())[:100]


def _command(where: str, body: str) -> str:
    quoted = body.replace("'", "'\\''")
    return f"curl -X POST {where} -H 'content-type: application/json' -d '{quoted}'"
