"""What our mail sender handed over to SES, as moto keeps it."""

import re

from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends


def texts() -> list[str]:
    """The mails' texts, oldest first."""
    return [message.body for message in ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages]


def last_token() -> str:
    """The token in the newest mail."""
    found = re.search(r"Your token:\s+(\S+)", texts()[-1])
    assert found
    return found[1]


def to(address: str) -> list[str]:
    """The texts of the mails to one address, oldest first."""
    found = ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages
    return [message.body for message in found if message.destinations["ToAddresses"] == [address]]
