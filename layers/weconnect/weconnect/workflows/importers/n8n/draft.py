"""The result of a conversion of an n8n workflow, and the report of its import."""

from dataclasses import dataclass, field
from typing import Any

from weconnect.workflows.entities import Validation, WorkflowDefinition
from weconnect.workflows.importers.n8n.report import (
    Dropped,
    ImportCounts,
    ImportedExpression,
    ImportedNode,
    ImportReport,
    share,
)

MAX_LISTED = 2_000


@dataclass
class Draft:
    """The result of a conversion, before the workflow is created."""

    name: str
    description: str
    tags: list[str]
    definition: WorkflowDefinition
    validation: Validation
    nodes: list[ImportedNode] = field(default_factory=list)
    expressions: list[ImportedExpression] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    slots: list[str] = field(default_factory=list)

    def build_report(self, others: list[str]) -> ImportReport:
        """Return the report of the import; `others` are the names of the file's other workflows."""
        counts = {status: sum(node.status == status for node in self.nodes) for status in _STATUSES}
        taken = counts["mapped"] + counts["translated"]
        gone = {node.pointer for node in self.nodes if node.status in ("placeholder", "note")}
        expressions = [each for each in self.expressions if "/".join(each.pointer.split("/")[:3]) not in gone]
        return ImportReport(
            counts=ImportCounts(
                mapped=counts["mapped"],
                translated=counts["translated"],
                incomplete=counts["incomplete"],
                placeholders=counts["placeholder"],
                notes=counts["note"],
                nodes=share(taken, taken + counts["incomplete"] + counts["placeholder"]),
                expressions=_compute_translated_share(self.expressions),
                expressions_of_taken=_compute_translated_share(expressions),
            ),
            nodes=self.nodes,
            expressions=self.expressions[:MAX_LISTED],
            dropped=self.dropped[:MAX_LISTED],
            credential_slots=self.slots,
            others=others,
            validation=self.validation,
        )


_STATUSES = ("mapped", "translated", "incomplete", "placeholder", "note")


def _compute_translated_share(expressions: list[ImportedExpression]) -> Any:
    """Return the share of the expressions that were translated."""
    return share(sum(each.status == "translated" for each in expressions), len(expressions))
