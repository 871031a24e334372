"""Report of an import: the result for everything in the file."""

from typing import Literal

from weconnect.base_entity import ApiModel
from weconnect.workflows.entities import Validation, Workflow


class LeftOut(ApiModel):
    """A part of a node that was not imported."""

    what: str
    why: str


class ImportedNode(ApiModel):
    """The result for a node.

    `mapped`: an equivalent node; `translated`: conditions or expressions were rewritten; `incomplete`: a node that
    lacks the parameters in `missing`, which the file does not contain, beside a disabled placeholder with the original;
    `placeholder`: a disabled node with the original; `note`: a sticky note, which is now in the description.
    """

    pointer: str
    name: str
    type: str
    type_version: float
    status: Literal["mapped", "translated", "incomplete", "placeholder", "note"]
    node_ids: list[str]
    reason: str | None = None
    missing: list[str] = []
    left_out: list[LeftOut] = []


class ImportedExpression(ApiModel):
    """The result for an expression, whose text is cut to 300 characters.

    A node that was mapped fails at an expression with the status `left`, with the expression's text as the error.
    """

    pointer: str
    expression: str
    status: Literal["translated", "left"]
    reason: str | None = None
    notes: list[str] = []


class Dropped(ApiModel):
    """A part of the file that was dropped."""

    pointer: str
    what: str
    why: str


class Share(ApiModel):
    """The share of a workflow's parts that was converted."""

    total: int
    taken: int
    share: float


class ImportCounts(ApiModel):
    """Numbers of an import. `nodes` excludes sticky notes; `taken` counts those that are mapped or translated.

    `expressions` counts those of all nodes, `expressionsOfTaken` those of nodes other than placeholders.
    """

    mapped: int
    translated: int
    incomplete: int
    placeholders: int
    notes: int
    nodes: Share
    expressions: Share
    expressions_of_taken: Share


class ImportReport(ApiModel):
    """The report of an import. `others` names further workflows in the file; import them one by one."""

    source: Literal["n8n"] = "n8n"
    counts: ImportCounts
    nodes: list[ImportedNode]
    expressions: list[ImportedExpression]
    dropped: list[Dropped]
    credential_slots: list[str]
    others: list[str]
    validation: Validation


class ImportedWorkflow(Workflow):
    """The imported draft, with a report when the file came from another system."""

    report: ImportReport | None = None


def share(taken: int, total: int) -> Share:
    """Return the share of `taken` in `total`, from 0 to 1; 1 without any parts."""
    return Share(total=total, taken=taken, share=round(taken / total, 4) if total else 1)
