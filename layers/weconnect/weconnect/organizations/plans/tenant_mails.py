"""Mails that a tenant sends to strangers by the deployment's sender: who may, how many, and each only once.

A mail is counted in one transaction with its own row, before it is sent, so that a mail whose step is repeated or
retried is neither counted nor sent again. It is sent twice only when SES accepted it and the process ended before the
row said so.
"""

from uuid import UUID

from weconnect import clock, fault_injection, mail
from weconnect.actor import Actor
from weconnect.db import table
from weconnect.errors import Conflict
from weconnect.identity.entities import LimitType
from weconnect.identity.errors import EmailNotVerified
from weconnect.identity.rows import UserRow
from weconnect.organizations.errors import MailLimitReached, OrganizationNotFound
from weconnect.organizations.plans import windows
from weconnect.organizations.rows import OrganizationRow, TenantMailRow

RETENTION_SECONDS = 30 * 86_400  # longer than the attempts of a node may be apart
ACTOR: Actor = {"system": "tenant_mails"}


def load_sender(organization_id: UUID, user_id: UUID) -> int:
    """Return the recipients that the organization's plan allows in a day (-1: any number).

    Raises EmailNotVerified when the address of the user for whom mails are sent is not verified.
    """
    organization_at, user_at = OrganizationRow.at(organization_id), UserRow.at(user_id)
    rows_by_key = table.get_many([organization_at, user_at])
    organization, user = rows_by_key.get(organization_at), rows_by_key.get(user_at)
    if not isinstance(organization, OrganizationRow):
        raise OrganizationNotFound()
    if not isinstance(user, UserRow) or not user.email_verified:
        raise EmailNotVerified(
            "The e-mail address of the user for whom the execution sends is not verified. "
            "Verify it, or let a member with a verified address execute the workflow."
        )
    return organization.to_entity().get_plan_limits().max_mail_recipients_per_day


def send_once(
    organization_id: UUID,
    mail_key: str,
    limit: int,
    to: list[str],
    subject: str,
    text: str,
    reply_to: list[str],
) -> str:
    """Count the recipients of a mail and send it, unless it was; return its SES message id.

    `mail_key` is the same whenever the mail is repeated. Raises MailLimitReached, and MailNotSent for a mail that stays
    counted and may be sent again.
    """
    pk, sk = TenantMailRow.at(organization_id, mail_key)
    row = TenantMailRow(pk=pk, sk=sk, ttl=clock.epoch_seconds() + RETENTION_SECONDS)
    try:
        with table.transaction(ACTOR) as writes:
            writes.create(row)
            windows.count(
                writes,
                organization_id,
                "MAILS",
                LimitType.DAILY,
                step=len(to),
                limit=limit,
                exceeded=MailLimitReached,
                detail=f"The plan allows {limit} recipients of e-mails in a day. Continue tomorrow or change the plan.",
            )
    except Conflict:
        stored = table.get(TenantMailRow, (pk, sk))
        if stored is not None and stored.message_id:
            return stored.message_id
    message_id = mail.deliver(to, subject, text, reply_to, of_tenant=True)
    table.touch(row, put={"message_id": message_id})
    fault_injection.kill_point("after:mail")
    return message_id
