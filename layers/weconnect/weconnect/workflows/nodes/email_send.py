"""email_send: sends a mail for each item, from the deployment's own sender.

SES knows no idempotency key: a mail whose step was killed between its sending and its checkpoint is sent again.
"""

from typing import Annotated

from pydantic import Field

from weconnect.workflows.node_sdk.node_type import Call, Item, NodeError, NodeType, Outputs, Parameters

MAX_MAILS = 20
MAX_RECIPIENTS = 10

# Narrower than what mail allows: no names, quotes, blanks, commas or line breaks, so that one address stays one.
Address = Annotated[
    str,
    Field(
        max_length=254,
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}$",
    ),
]


class EmailSendParameters(Parameters):
    to: Annotated[list[Address], Field(min_length=1, max_length=MAX_RECIPIENTS)]
    """Addresses alone, without names; all see each other."""
    reply_to: Annotated[list[Address], Field(max_length=1)] = []
    """Where answers go, instead of to the sender."""
    subject: Annotated[str, Field(min_length=1, max_length=200)]
    """One line; line breaks in it become blanks."""
    text: Annotated[str, Field(min_length=1, max_length=100_000)]
    """Plain text."""


def run(call: Call) -> Outputs:
    """`{"messageId", "to"}` for each item."""
    effects = call.effects(EmailSendParameters)
    if len(effects) > MAX_MAILS:
        raise NodeError("too_many_items", f"At most {MAX_MAILS} mails at once: use a loop")
    return {"main": [_sent(given) for given, _, _ in effects]}


def _sent(given: EmailSendParameters) -> Item:
    from weconnect import mail

    to = list(dict.fromkeys(given.to))
    try:
        return {"messageId": mail.deliver(to, given.subject, given.text, given.reply_to), "to": to}
    except mail.NotSent as error:
        raise NodeError("mail_not_sent", str(error), retryable=error.retryable) from error


NODE = NodeType(
    label="Send mail",
    description="Sends a plain-text mail for each item, from the deployment's own sender.",
    category="mail",
    kind="effect",
    express=False,
    parameters=EmailSendParameters,
    run=run,
)
