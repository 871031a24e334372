"""SendEmail of SES v2: mails become text files in the mailbox."""

import base64
import email
import email.policy
import json
import re
import time
import uuid
from pathlib import Path
from typing import Any

from infra.local.asgi import Request, Response

PATH = "/v2/email/outbound-emails"


class Mailbox:
    """Writes each mail to `<mailbox>/<time>-<id>-<to>.txt` and prints the path."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    async def __call__(self, request: Request) -> Response:
        mail = json.loads(request.body)
        number = str(uuid.uuid4())
        destination = mail.get("Destination", {})
        to = [
            address
            for kind in ("ToAddresses", "CcAddresses", "BccAddresses")
            for address in destination.get(kind, [])
        ]
        subject, text = _read_content(mail["Content"])
        recipient = re.sub(r"[^\w.@+-]", "_", to[0] if to else "nobody")[:80]
        path = self.directory / f"{time.strftime('%Y%m%d-%H%M%S')}-{number[:4]}-{recipient}.txt"
        sender = mail.get("FromEmailAddress", "")
        path.write_text(f"From: {sender}\nTo: {', '.join(to)}\nSubject: {subject}\n\n{text}\n")
        path.chmod(0o600)  # it has tokens
        print(f"mail for {', '.join(to)}: {path}", flush=True)
        return Response.json(200, {"MessageId": number})


def _read_content(content: dict[str, Any]) -> tuple[str, str]:
    """Return subject and text of a simple or a raw message."""
    if "Raw" in content:
        message = email.message_from_bytes(
            base64.b64decode(content["Raw"]["Data"]), policy=email.policy.default
        )
        body = message.get_body(("plain", "html"))
        return str(message["Subject"] or ""), body.get_content() if body else ""
    simple = content["Simple"]
    body = simple["Body"]
    return simple["Subject"]["Data"], (body.get("Text") or body.get("Html"))["Data"]
