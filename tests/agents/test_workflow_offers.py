"""The functions of workflows that agents use without importing them."""

from weconnect.agents.tools.workflow_offers import WorkflowOffers, get_offers
from weconnect.workflows.definition import tool_offers


def test_the_registry_names_the_functions_that_agents_use() -> None:
    """The assignment lets the type checker compare the functions' parameters and results."""
    offers: WorkflowOffers = tool_offers
    assert get_offers() is offers
