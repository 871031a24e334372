"""What an import answers beside the workflow: what became of everything in the file."""

from typing import Literal

from weconnect.base_entity import Wire
from weconnect.workflows.entities import Validation, Workflow


class LeftOut(Wire):
    """A part of a node that was not taken over."""

    what: str
    why: str


class ImportedNode(Wire):
    """What became of a node. `mapped`: the same in our terms; `translated`: its conditions or expressions were
    rewritten; `incomplete`: a node of ours that lacks the parameters in `missing`, which the file cannot know, beside a
    disabled placeholder that keeps the original; `placeholder`: a disabled node that keeps the original; `note`: a
    sticky note, now in the description.
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


class ImportedExpression(Wire):
    """What became of an expression, its text cut to 300 characters. One that was left, in a node that was mapped,
    ends the run with its own text as the error.
    """

    pointer: str
    expression: str
    status: Literal["translated", "left"]
    reason: str | None = None
    notes: list[str] = []


class Dropped(Wire):
    """Something of the file that has no place here."""

    pointer: str
    what: str
    why: str


class Share(Wire):
    total: int
    taken: int
    share: float


class ImportCounts(Wire):
    """`nodes` without sticky notes; taken: mapped or translated. `expressions` of all nodes; `expressionsOfTaken`:
    of those that are no placeholders.
    """

    mapped: int
    translated: int
    incomplete: int
    placeholders: int
    notes: int
    nodes: Share
    expressions: Share
    expressions_of_taken: Share


class ImportReport(Wire):
    """`others`: the names of further workflows in the file, which were not taken; import them one by one."""

    source: Literal["n8n"] = "n8n"
    counts: ImportCounts
    nodes: list[ImportedNode]
    expressions: list[ImportedExpression]
    dropped: list[Dropped]
    credential_slots: list[str]
    others: list[str]
    validation: Validation


class ImportedWorkflow(Workflow):
    """The draft that was made; `report` tells what became of another system's file."""

    report: ImportReport | None = None


def share(taken: int, total: int) -> Share:
    """A share between 0 and 1; of nothing all."""
    return Share(total=total, taken=taken, share=round(taken / total, 4) if total else 1)
