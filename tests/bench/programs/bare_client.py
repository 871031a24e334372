"""Baseline of cold starts: create a client and get one item."""

import json
import sys

import boto3

event = json.loads(sys.stdin.read())
response = boto3.client("dynamodb").get_item(TableName="weconnect", Key=event["key"])
assert "Item" in response
