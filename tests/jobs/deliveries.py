"""The queue of jobs, delivered to its function as SQS does, and as a test wants it: twice, late, or not at all."""

import json
from typing import Any

from jobs import on_job
from tests.conftest import client
from tests.gateway import CONTEXT

Message = dict[str, Any]


class Deliveries:
    """What the queue holds; `batches` are the numbers of the batches that were delivered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.batches: list[int] = []

    def taken(self) -> list[Message]:
        """Take all messages out."""
        found: list[Message] = []
        while (
            messages := client("sqs")
            .receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
            .get("Messages")
        ):
            for message in messages:
                client("sqs").delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return found

    def deliver(self, *messages: Message) -> list[str]:
        """Hand messages over in one event; the numbers of those that failed."""
        self.batches += [message["batch"] for message in messages]
        records = [
            {"messageId": str(number), "body": json.dumps(message), "eventSource": "aws:sqs"}
            for number, message in enumerate(messages)
        ]
        answer = on_job.handler({"Records": records}, CONTEXT)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def run(self) -> None:
        """Deliver until the queue is empty."""
        while messages := self.taken():
            for message in messages:
                assert self.deliver(message) == []


def sweep() -> int:
    """The tick of each minute."""
    answer: dict[str, int] = on_job.handler({"detail-type": "Scheduled Event"}, CONTEXT)
    return answer["swept"]
