"""Cold start of the authorizer with a JWT; its secret is in memory."""

import json
import sys

event = json.loads(sys.stdin.read())

from auth.authorize import handler  # noqa: E402
from weconnect.security import signing  # noqa: E402

key = signing.SigningKey(id="bench", secret=b"s" * 64)
signing._current, signing._keys_by_id = key, {key.id: key}
response = handler(event["authorize"], None)
assert response["context"]["userId"], response
unwanted = {"botocore", "boto3", "pynamodb", "pydantic", "aws_lambda_powertools"} & set(sys.modules)
assert not unwanted, unwanted
