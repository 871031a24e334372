"""email_send: sends an e-mail for each item, from the deployment's sender, within the quota of the plan.

The operator must have switched it on, and the user for whom the execution sends must have a verified address.
"""

from typing import Annotated

from pydantic import Field

from weconnect.errors import Problem
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import Item, ItemsByOutput, NodeError, NodeRun, NodeType
from weconnect.settings import settings

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
    from weconnect.organizations.plans import tenant_mails  # cold start

    effects = node_run.resolve_effects(EmailSendParameters)
    if len(effects) > MAX_MAILS:
        text = f"The node got {len(effects)} items; at most {MAX_MAILS} are allowed. Put a loop around it."
        raise NodeError("too_many_items", text)
    if reason := unavailable():
        raise _build_error(node_run, "email_send_not_available", reason)
    try:
        limit = tenant_mails.load_sender(node_run.organization_id, node_run.user_id)
        mails = [
            (parameters, f"{node_run.run_key}:{index}") for index, (parameters, _, _) in enumerate(effects)
        ]
        return {"main": [_send(node_run, limit, mail_key, parameters) for parameters, mail_key in mails]}
    except Problem as problem:
        if problem.status >= 500:
            raise
        raise _build_error(node_run, problem.code, problem.detail) from problem


def _send(node_run: NodeRun, limit: int, mail_key: str, parameters: EmailSendParameters) -> Item:
    """Send one e-mail, unless an earlier attempt has. Raises NodeError, and MailLimitReached above the limit."""
    from weconnect import mail  # cold start
    from weconnect.organizations.plans import tenant_mails  # cold start

    to = list(dict.fromkeys(parameters.to))
    content = (parameters.subject, parameters.text, parameters.reply_to)
    try:
        message_id = tenant_mails.send_once(node_run.organization_id, mail_key, limit, to, *content)
    except mail.MailNotSent as error:
        raise NodeError("mail_not_sent", str(error), retryable=error.retryable) from error
    return {"messageId": message_id, "to": to}


def _build_error(node_run: NodeRun, code: str, detail: str) -> NodeError:
    """Return the error of a mail that may not be sent, with the name of the node."""
    return NodeError(code, f"{node_run.node.name!r}: {detail}")


def unavailable() -> str:
    """Return why workflows of this deployment send no e-mails, or an empty text."""
    if settings.mail_nodes != "on":
        return (
            "Workflows of this deployment send no e-mails. "
            "Ask its operator to set MailNodes to on, or call a mail service of your own with http_request."
        )
    if not settings.mail_from:
        return "The deployment has no sender address. Ask its operator to set the parameter MailFrom."
    return ""


NODE = NodeType(
    label="Send e-mail",
    description="Sends a plain-text e-mail for each item. Returns `messageId` and `to`.",
    category="mail",
    kind="effect",
    express=False,
    unavailable=unavailable,
    parameters=EmailSendParameters,
    run=run,
)
