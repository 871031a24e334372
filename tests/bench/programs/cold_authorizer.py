"""A cold authorizer on a JWT, its secret read already."""

import json
import sys

event = json.loads(sys.stdin.read())

from auth.authorize import handler  # noqa: E402
from weconnect.security import signing  # noqa: E402

key = signing.SigningKey(id="bench", secret=b"s" * 64)
signing._current, signing._known = key, {key.id: key}
answer = handler(event["authorize"], None)
assert answer["context"]["userId"], answer
unwanted = {"botocore", "boto3", "pynamodb", "pydantic", "aws_lambda_powertools"} & set(sys.modules)
assert not unwanted, unwanted
