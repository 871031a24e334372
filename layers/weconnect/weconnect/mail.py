"""Outgoing mail through SES. A mail that cannot be sent is logged; whatever caused it goes on."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from weconnect.log import logger
from weconnect.settings import settings

_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
_PASSING = {"TooManyRequestsException", "InternalServiceErrorException", "ThrottlingException"}


class NotSent(Exception):
    """A mail could not be handed over. `retryable`: the same may go later."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


def send(to: str, subject: str, text: str) -> bool:
    """Send a plain-text mail; False when it could not be handed over, or the deployment has no sender."""
    if not settings.mail_from:
        logger.info("no mail sender is configured, mail not sent", subject=subject)
        return False
    try:
        deliver([to], subject, text)
    except NotSent:
        logger.exception("mail not sent", subject=subject)
        return False
    return True


def deliver(to: list[str], subject: str, text: str, reply_to: list[str] | None = None) -> str:
    """Send one plain-text mail to all of them; answers its id, raises NotSent."""
    if not settings.mail_from:
        raise NotSent("The deployment has no sender: its parameter MailFrom is empty")
    line = " ".join(subject.split())  # names in it are their owners', and a second line would refuse the mail
    content = {"Simple": {"Subject": {"Data": line}, "Body": {"Text": {"Data": text}}}}
    more = {"ReplyToAddresses": reply_to} if reply_to else {}
    try:
        sent = _client("sesv2").send_email(
            FromEmailAddress=settings.mail_from, Destination={"ToAddresses": to}, Content=content, **more
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise NotSent(f"SES refused the mail: {code}", retryable=code in _PASSING) from error
    except BotoCoreError as error:
        raise NotSent("SES could not be reached", retryable=True) from error
    return str(sent["MessageId"])


def base_url() -> str:
    """The API's own address, without a slash at its end; empty when it cannot be told.

    It is a parameter of the deployment, and never a request's Host header, which a stranger may write.
    """
    if not settings.url_parameter:
        return ""
    try:
        return _read_url(settings.url_parameter)
    except (BotoCoreError, ClientError):
        logger.exception("the address parameter cannot be read")
        return ""


@cache
def _read_url(parameter: str) -> str:
    return str(_client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]).rstrip("/")


@cache
def _client(service: str) -> Any:
    return boto3.client(service, region_name=settings.region, config=_CONFIG)
