"""Errors of AWS calls through botocore and PynamoDB: which of them say nothing about the request."""

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError
from pynamodb.exceptions import PynamoDBException

from weconnect.errors import Unavailable

THROTTLING_CODES = {
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}


def is_temporary(error: BaseException) -> bool:
    """Return whether a call failed because a service did not respond, failed itself (5xx), or throttled the caller."""
    if isinstance(error, PynamoDBException) and error.cause is not None:
        return is_temporary(error.cause)
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error.response.get("Error", {}).get("Code") in THROTTLING_CODES
    return isinstance(error, Unavailable | BotoConnectionError | HTTPClientError)
