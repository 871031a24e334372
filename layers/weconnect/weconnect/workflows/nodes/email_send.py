"""email_send: sends an e-mail for each item, from the deployment's sender.

SES has no idempotency keys: an e-mail is sent twice when the process crashes between sending and checkpoint.
"""

from typing import Annotated

from pydantic import Field

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import Item, ItemsByOutput, NodeError, NodeRun, NodeType

MAX_MAILS = 20
MAX_RECIPIENTS = 10

# Narrower than the standard: no names, quotes, spaces, commas or line breaks, so that one address stays one.
Address = Annotated[
    str,
    Field(
        max_length=254,
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}$",
    ),
]


class EmailSendParameters(Parameters):
    to: Annotated[list[Address], Field(min_length=1, max_length=MAX_RECIPIENTS)]
    """Addresses of the recipients, without names. Each recipient sees all of them."""
    reply_to: Annotated[list[Address], Field(max_length=1)] = []
    """Address for replies, instead of the sender's."""
    subject: Annotated[str, Field(min_length=1, max_length=200)]
    """Subject. Line breaks become spaces."""
    text: Annotated[str, Field(min_length=1, max_length=100_000)]
    """Plain text of the e-mail."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return `{"messageId", "to"}` for each item."""
    effects = node_run.resolve_effects(EmailSendParameters)
    if len(effects) > MAX_MAILS:
        text = f"The node got {len(effects)} items; at most {MAX_MAILS} are allowed. Put a loop around it."
        raise NodeError("too_many_items", text)
    return {"main": [_send(parameters) for parameters, _, _ in effects]}


def _send(parameters: EmailSendParameters) -> Item:
    """Send one e-mail. Raises NodeError."""
    from weconnect import mail  # cold start

    to = list(dict.fromkeys(parameters.to))
    try:
        return {
            "messageId": mail.deliver(to, parameters.subject, parameters.text, parameters.reply_to),
            "to": to,
        }
    except mail.MailNotSent as error:
        raise NodeError("mail_not_sent", str(error), retryable=error.retryable) from error


NODE = NodeType(
    label="Send e-mail",
    description="Sends a plain-text e-mail for each item. Returns `messageId` and `to`.",
    category="mail",
    kind="effect",
    express=False,
    parameters=EmailSendParameters,
    run=run,
)
