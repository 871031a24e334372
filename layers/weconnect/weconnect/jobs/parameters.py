"""The path parameter of jobs, and the response of a route that creates one."""

from typing import TypeVar

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import path_id
from weconnect.base_entity import ApiModel
from weconnect.jobs.entities import Job

M = TypeVar("M", bound=ApiModel)

JobId = path_id("jobId")


def job_response(result: M) -> Response[M]:
    """Return 202 with the `Location` of a job, or 200 for anything else, such as the result of a dry run."""
    if not isinstance(result, Job):
        return Response(200, "application/json", result)
    return Response(202, "application/json", result, {"Location": f"/v1/jobs/{result.id}"})
