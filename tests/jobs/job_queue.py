"""The queue of jobs, whose messages a test delivers to the function: once, twice, late, or not at all."""

import json

from jobs import on_job
from tests.conftest import client
from tests.gateway import CONTEXT
from weconnect.jobs.worker import JobMessage


class Deliveries:
    """The queue's messages; `batches` are the numbers of the batches that were delivered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.batches: list[int] = []

    def take_messages(self) -> list[JobMessage]:
        """Remove and return all messages of the queue."""
        taken: list[JobMessage] = []
        while (
            messages := client("sqs")
            .receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
            .get("Messages")
        ):
            for message in messages:
                client("sqs").delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                taken.append(json.loads(message["Body"]))
        return taken

    def deliver(self, *messages: JobMessage) -> list[str]:
        """Deliver messages in one event; return the numbers of those that failed."""
        self.batches += [message["batch"] for message in messages]
        records = [
            {"messageId": str(number), "body": json.dumps(message), "eventSource": "aws:sqs"}
            for number, message in enumerate(messages)
        ]
        response = on_job.handler({"Records": records}, CONTEXT)
        return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]

    def deliver_all(self) -> None:
        """Deliver messages until the queue is empty."""
        while messages := self.take_messages():
            for message in messages:
                assert self.deliver(message) == []


def sweep() -> int:
    """Invoke the sweeper; return how many jobs it swept."""
    response: dict[str, int] = on_job.handler({"detail-type": "Scheduled Event"}, CONTEXT)
    return response["swept"]
