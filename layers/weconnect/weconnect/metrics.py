"""Metrics in the embedded metric format: JSON lines in the log that CloudWatch turns into metrics."""

from aws_lambda_powertools.metrics import MetricUnit, single_metric


def count_refused_event(code: str) -> None:
    """Count an event that could not start an execution, by the code of the problem."""
    with single_metric(name="EventsRefused", unit=MetricUnit.Count, value=1) as metric:
        metric.add_dimension(name="code", value=code)


def count_finished_execution(status: str, requests: int, tokens: int) -> None:
    """Count a finished agent execution by its status, with its model requests and tokens."""
    with single_metric(name="AgentRuns", unit=MetricUnit.Count, value=1) as metric:
        metric.add_dimension(name="status", value=status)
        metric.add_metadata("modelRequests", requests)
        metric.add_metadata("tokens", tokens)
