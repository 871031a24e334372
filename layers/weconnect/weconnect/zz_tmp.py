import boto3; X = boto3.client("sqs", region_name="us-east-1")
