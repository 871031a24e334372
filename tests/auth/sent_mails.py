"""The mails that were handed over to SES, as moto keeps them."""

import re

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends


def texts() -> list[str]:
    """Return the texts of all mails, oldest first."""
    return [message.body for message in ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages]


def last_token() -> str:
    """Return the token in the newest mail."""
    match = re.search(r"Your token:\s+(\S+)", texts()[-1])
    assert match
    return match[1]


def texts_to(address: str) -> list[str]:
    """Return the texts of the mails to one address, oldest first."""
    messages = ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages
    return [message.body for message in messages if message.destinations["ToAddresses"] == [address]]
