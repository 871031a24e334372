"""Outgoing mail through SES. `send` logs a failure, so that its caller continues; `deliver` raises it."""

import re
from functools import cache
from typing import Any
from unicodedata import category

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from weconnect.errors import Unavailable
from weconnect.log import logger
from weconnect.settings import settings
from weconnect.texts import make_visible

_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
_RETRYABLE_CODES = {"TooManyRequestsException", "InternalServiceErrorException", "ThrottlingException"}


class MailNotSent(Exception):
    """A mail was not accepted by SES; `retryable` when the same mail may be accepted later."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


def to_safe_name(name: str) -> str:
    """Return a name that a user chose, for a mail: one line of at most 40 characters that no mail client links.

    Mails go to people who never asked for them, so a name carries no address, link or telephone number: all but
    letters, digits, spaces and `'’-&` goes, a dot stays only before a space or at the end, and digits only up to four.
    """
    text = "".join(char if category(char)[0] in "LMN" or char in ".'’-&" else " " for char in name)
    text = re.sub(r"\.(?=\S)|(?<=\d)[ .-]+(?=\d)|\d{5,}", " ", text)
    return " ".join(text.split())[:40].strip() or "-"


def send(to: str, subject: str, text: str, *, of_tenant: bool = False) -> bool:
    """Send a plain-text mail; return False when it failed or the deployment has no sender address.

    A mail `of_tenant` has words of a tenant to strangers, see `deliver`.
    """
    if not settings.mail_from:
        logger.info("mail not sent, no sender configured", subject=subject)
        return False
    try:
        deliver([to], subject, text, of_tenant=of_tenant)
    except MailNotSent:
        logger.exception("mail not sent", subject=subject)
        return False
    return True


def deliver(
    to: list[str],
    subject: str,
    text: str,
    reply_to: list[str] | None = None,
    *,
    of_tenant: bool = False,
) -> str:
    """Send one plain-text mail to all recipients and return its SES message id; raise MailNotSent.

    A mail `of_tenant` has the configuration set of tenants' mails, which can be suspended without those of accounts.
    """
    if not settings.mail_from:
        raise MailNotSent("The deployment has no sender address. Set its parameter MailFrom.")
    # Users choose the names in it, and SES refuses a subject of several lines.
    subject_line = make_visible(" ".join(subject.split()))
    content = {
        "Simple": {
            "Subject": {"Data": subject_line},
            "Body": {"Text": {"Data": make_visible(text, "\r\n\t")}},
        }
    }
    options: dict[str, Any] = {"ReplyToAddresses": reply_to} if reply_to else {}
    if of_tenant and settings.tenant_mail_configuration_set:
        options["ConfigurationSetName"] = settings.tenant_mail_configuration_set
    try:
        response = _create_client("sesv2").send_email(
            FromEmailAddress=settings.mail_from, Destination={"ToAddresses": to}, Content=content, **options
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise MailNotSent(f"SES refused the mail: {code}.", retryable=code in _RETRYABLE_CODES) from error
    except BotoCoreError as error:
        raise MailNotSent("SES is unreachable.", retryable=True) from error
    return str(response["MessageId"])


def base_url() -> str:
    """Return the API's own URL without a trailing slash; empty when the deployment has none.

    Raises Unavailable when it cannot be read. It is a parameter of the deployment and never a request's Host header,
    which an attacker controls.
    """
    if not settings.url_parameter:
        return ""
    try:
        return _read_url(settings.url_parameter)
    except (BotoCoreError, ClientError) as error:
        logger.exception("url parameter not readable", parameter=settings.url_parameter)
        raise Unavailable("The address of the API cannot be read at present. Try again shortly.") from error


def find_base_url() -> str:
    """Return the API's own URL for a mail; empty when it is unknown or cannot be read, which holds up no mail."""
    try:
        return base_url()
    except Unavailable:
        return ""


@cache
def _read_url(parameter: str) -> str:
    """Return the API's URL from a parameter of SSM, without a trailing slash."""
    return str(_create_client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]).rstrip("/")


@cache
def _create_client(service: str) -> Any:
    """Return the boto3 client of a service, created at its first use."""
    return boto3.client(service, region_name=settings.region, config=_CONFIG)
