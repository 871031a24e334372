"""Metrics in the embedded metric format: a JSON line in the log that CloudWatch turns into numbers."""

from aws_lambda_powertools.metrics import MetricUnit, single_metric


def event_refused(code: str) -> None:
    """Count an event that was to begin a run and could not, by the problem's code."""
    with single_metric(name="EventsRefused", unit=MetricUnit.Count, value=1) as metric:
        metric.add_dimension(name="code", value=code)


def run_ended(status: str, requests: int, tokens: int) -> None:
    """Count a finished agent run by its status, with what it used."""
    with single_metric(name="AgentRuns", unit=MetricUnit.Count, value=1) as metric:
        metric.add_dimension(name="status", value=status)
        metric.add_metadata("modelRequests", requests)
        metric.add_metadata("tokens", tokens)
