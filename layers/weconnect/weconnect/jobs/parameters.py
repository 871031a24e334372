"""Path parameters of jobs, and how a route answers one."""

from typing import TypeVar

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import path_id
from weconnect.base_entity import Wire
from weconnect.jobs.entities import Job

A = TypeVar("A", bound=Wire)

JobId = path_id("jobId")


def accepted(answer: A) -> Response[A]:
    """202 with the address of the job; 200 for what a dry run answers."""
    if not isinstance(answer, Job):
        return Response(200, "application/json", answer)
    return Response(202, "application/json", answer, {"Location": f"/v1/jobs/{answer.id}"})
