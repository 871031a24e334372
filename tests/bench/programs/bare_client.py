"""The baseline of cold starts: a client and one GetItem."""

import json
import sys

import boto3

event = json.loads(sys.stdin.read())
found = boto3.client("dynamodb").get_item(TableName="weconnect", Key=event["key"])
assert "Item" in found
