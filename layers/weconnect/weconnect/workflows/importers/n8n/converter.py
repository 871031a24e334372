"""A draft out of n8n's workflow, with an account of every node, expression and connection in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from weconnect.workflows.definition.validation import check
from weconnect.workflows.entities import Connection, Node, Validation, WorkflowDefinition
from weconnect.workflows.importers.n8n import node_builder as nodes
from weconnect.workflows.importers.n8n import node_mapping
from weconnect.workflows.importers.n8n import workflow_settings as whole
from weconnect.workflows.importers.n8n.cycles import circles
from weconnect.workflows.importers.n8n.export_file import Link, N8nNode, N8nWorkflow, links
from weconnect.workflows.importers.n8n.item_lineage import Lineage
from weconnect.workflows.importers.n8n.jsonata_terms import Surroundings
from weconnect.workflows.importers.n8n.report import (
    Dropped,
    ImportCounts,
    ImportedExpression,
    ImportedNode,
    ImportReport,
    LeftOut,
    share,
)
from weconnect.workflows.importers.n8n.source_node import Made, Reading, Refused
from weconnect.workflows.importers.n8n.syntax_tree import Unsupported
from weconnect.workflows.node_sdk.catalogue import node_type

MAX_LISTED = 2_000
MAX_DESCRIPTION = 10_000
_LOOP_FINDINGS = {"cycle", "into_loop", "out_of_loop", "too_deep"}
_NODE_DROPS = {
    "alwaysOutputData": "a node without items ends its branch here",
    "executeOnce": "each item is done; put a limit node before it",
    "credentials": "secrets are never in a file: set the credential of the slot",
}
_CIRCLE = LeftOut(
    what="the way back",
    why="n8n may lead back to any node, as to wait and look again; here only a loop over items is returned to, so the"
    " draft cannot run before this is drawn otherwise",
)


@dataclass
class Draft:
    """What an import makes, before it has a name of its own."""

    name: str
    description: str
    tags: list[str]
    definition: WorkflowDefinition
    validation: Validation
    nodes: list[ImportedNode] = field(default_factory=list)
    expressions: list[ImportedExpression] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    slots: list[str] = field(default_factory=list)

    def report(self, others: list[str]) -> ImportReport:
        counts = {status: sum(node.status == status for node in self.nodes) for status in _STATUSES}
        taken = counts["mapped"] + counts["translated"]
        gone = {node.pointer for node in self.nodes if node.status in ("placeholder", "note")}
        kept = [found for found in self.expressions if "/".join(found.pointer.split("/")[:3]) not in gone]
        return ImportReport(
            counts=ImportCounts(
                mapped=counts["mapped"],
                translated=counts["translated"],
                incomplete=counts["incomplete"],
                placeholders=counts["placeholder"],
                notes=counts["note"],
                nodes=share(taken, taken + counts["incomplete"] + counts["placeholder"]),
                expressions=_translated(self.expressions),
                expressions_of_taken=_translated(kept),
            ),
            nodes=self.nodes,
            expressions=self.expressions[:MAX_LISTED],
            dropped=self.dropped[:MAX_LISTED],
            credential_slots=self.slots,
            others=others,
            validation=self.validation,
        )


_STATUSES = ("mapped", "translated", "incomplete", "placeholder", "note")


def _translated(found: list[ImportedExpression]) -> Any:
    return share(sum(each.status == "translated" for each in found), len(found))


def convert(workflow: N8nWorkflow) -> Draft:
    """The draft for a workflow. Loops that break the rules of ours are placeholders where that leaves fewer errors."""
    refused: dict[int, str] = {}
    first: Draft | None = None
    while True:
        conversion = _Conversion(workflow, refused)
        draft = conversion.draft()
        first = first or draft
        broken = conversion.broken_loops(draft)
        if not broken:
            return first if _errors(first) <= _errors(draft) else draft
        refused |= broken


def _errors(draft: Draft) -> int:
    return sum(found.severity == "error" for found in draft.validation.findings)


class _Conversion:
    def __init__(self, workflow: N8nWorkflow, refused: dict[int, str]) -> None:
        self.workflow = workflow
        self.refused = refused
        self.links, self.lost = links(workflow)
        self.names = nodes.names_of(workflow.nodes)
        self.timezone = whole.timezone_of(workflow)
        self.readings = self._readings()
        self.made: dict[int, Made] = {}
        self.why: dict[int, str] = {}

    def draft(self) -> Draft:
        for place, node in enumerate(self.workflow.nodes):
            if node.type != node_mapping.STICKY:
                self._make(place, node)
        folded = {
            place: owner for owner, made in self.made.items() for place in made.folded if self._sole(place)
        }
        made_nodes, first = self._nodes(folded)
        draft = Draft(
            name=whole.name_of(self.workflow),
            description="",
            tags=whole.tags_of(self.workflow),
            definition=WorkflowDefinition(
                settings=whole.settings_of(self.workflow, self.timezone),
                nodes=[node for group in made_nodes.values() for node in group],
                connections=[],
            ),
            validation=Validation(valid=True, express=False, findings=[]),
        )
        draft.dropped += [Dropped(pointer=pointer, what="connection", why=why) for pointer, why in self.lost]
        draft.definition.connections += list(self._connections(draft, folded, first))
        draft.description = self._description(draft)
        for place, node in enumerate(self.workflow.nodes):
            self._account(draft, place, node, made_nodes, folded)
        draft.dropped += list(whole.drops(self.workflow))
        draft.validation = check(draft.definition)
        standing = circles(draft.definition)
        for told in draft.nodes:
            told.left_out += [_CIRCLE] if standing & set(told.node_ids) else []
        return draft

    def broken_loops(self, draft: Draft) -> dict[int, str]:
        """Loops to give up, with why: those with a finding of their own, else all where others have one."""
        loops = {f"node-{place}": place for place, made in self.made.items() if made.chain[-1][0] == "loop"}
        found = [each for each in draft.validation.findings if each.code in _LOOP_FINDINGS and each.node_id]
        if not loops or not found:
            return {}
        own = {each.node_id: each.message for each in found if each.node_id in loops}
        if own:
            return {loops[str(node_id)]: f"as a loop here: {message}" for node_id, message in own.items()}
        text = f"as a loop here: {found[0].message}"
        return dict.fromkeys(loops.values(), text)

    # Nodes

    def _readings(self) -> list[Reading]:
        all_names: dict[str, str] = {}
        for node, name in zip(self.workflow.nodes, self.names, strict=True):
            all_names.setdefault(node.name, name)
        lineage = Lineage(self.workflow.nodes, self.links)

        def surroundings(place: int) -> Surroundings:
            return Surroundings(all_names, lambda name: lineage.of_node(place, name), self.timezone)

        found = [
            Reading(node, place, _version(node), surroundings(place))
            for place, node in enumerate(self.workflow.nodes)
        ]
        for link in self.links:
            if link.kind != "main":
                helper = (link.source, self.workflow.nodes[link.source])
                found[link.target].helpers.setdefault(link.kind, []).append(helper)
        return found

    def _make(self, place: int, node: N8nNode) -> None:
        reading = self.readings[place]
        maker = node_mapping.MAKERS.get(node.type)
        if place in self.refused or maker is None:
            self.why[place] = self.refused.get(place) or node_mapping.reason(node.type)
            return
        try:
            made = maker(reading)
            nodes.refuse_unfit(made)
            self.made[place] = made
        except (Refused, Unsupported) as refusal:
            self.why[place] = str(refusal)
            reading.expressions.clear()
            reading.left_out.clear()

    def _sole(self, place: int) -> bool:
        """Whether a model hangs on one node alone that was made, so that it need not stand by itself."""
        return all(link.target in self.made for link in self.links if link.source == place)

    def _nodes(self, folded: dict[int, int]) -> tuple[dict[int, list[Node]], dict[int, str]]:
        """The nodes by their places in the file, and the id of the first of each, which takes its items."""
        taken = {name.casefold() for name in self.names}
        kept = len(self.why) + sum(bool(made.missing) for made in self.made.values())
        room = max(500, min(nodes.MAX_ORIGINAL, nodes.MAX_ORIGINALS // max(1, kept)))
        found: dict[int, list[Node]] = {}
        for place in range(len(self.workflow.nodes)):
            if place in folded or self.workflow.nodes[place].type == node_mapping.STICKY:
                continue
            reading, name = self.readings[place], self.names[place]
            if place in self.made:
                found[place] = nodes.nodes_of(reading, self.made[place], name, taken)
                if self.made[place].missing:
                    found[place].append(nodes.original(reading, name, self.made[place], room, taken))
            else:
                outputs = sorted(
                    {self._output(link) for link in self.links if link.source == place} - {"main"}
                )
                found[place] = [nodes.placeholder(reading, name, self.why[place], outputs, room)]
        return found, {place: group[0].id for place, group in found.items()}

    def _output(self, link: Link) -> str:
        """The output that a connection leaves."""
        made = self.made.get(link.source)
        if link.kind != "main":
            return "" if made else _port(link.kind)
        outputs = made.outputs if made else ("main",)
        on_error = (self.workflow.nodes[link.source].model_extra or {}).get("onError")
        if on_error == "continueErrorOutput" and link.output >= len(outputs) and (made or link.output == 1):
            return "error"
        if made:
            return outputs[link.output] if link.output < len(outputs) else ""
        return "main" if link.output == 0 else f"output{link.output}"

    def _connections(
        self, draft: Draft, folded: dict[int, int], first: dict[int, str]
    ) -> Iterator[Connection]:
        seen: set[tuple[str, ...]] = set()
        for place, made in self.made.items():
            count = len(made.chain)
            for number in range(1, count):
                following = f"node-{place}" if number + 1 == count else f"node-{place}-{number + 1}"
                yield Connection(source_node_id=f"node-{place}-{number}", target_node_id=following)
            if made.missing:
                yield Connection(
                    source_node_id=f"node-{place}-original", target_node_id=first[place], is_enabled=False
                )
        for link in self.links:
            if link.source in folded:
                continue
            output = self._output(link)
            why = ""
            if link.source not in first or link.target not in first:
                why = "is of a sticky note, or of what became a part of another node"
            elif not output:
                why = "leaves an output that there is not"
            elif self._begins(link.target):
                why = "leads into a node that begins a run"
            if why:
                draft.dropped.append(Dropped(pointer=link.pointer, what="connection", why=why))
                continue
            source = self._failing(link.source) if output == "error" else f"node-{link.source}"
            ends = (source, output, first[link.target], self._input(link))
            if ends in seen:
                draft.dropped.append(Dropped(pointer=link.pointer, what="connection", why="stands twice"))
                continue
            seen.add(ends)
            # What hangs on an agent is no flow of items: it is kept to be seen, and takes no part.
            yield Connection(
                source_node_id=ends[0],
                source_output=ends[1],
                target_node_id=ends[2],
                target_input=ends[3],
                is_enabled=link.kind == "main",
            )

    def _failing(self, place: int) -> str:
        """The id of the node that has the output for errors."""
        made = self.made.get(place)
        number = nodes.acting(made) if made else 1
        return f"node-{place}" if made is None or number == len(made.chain) else f"node-{place}-{number}"

    def _begins(self, place: int) -> bool:
        """Whether a node was made that takes no items."""
        made = self.made.get(place)
        kind = node_type(made.chain[0][0]) if made else None
        return kind is not None and kind.inputs == ()

    def _input(self, link: Link) -> str:
        made = self.made.get(link.target)
        if link.target_kind != "main":
            return "main" if made else _port(link.target_kind)
        if made is None:
            return "main" if link.input == 0 else f"input{link.input}"
        return made.inputs[min(link.input, len(made.inputs) - 1)] if made.inputs else "main"

    # The account

    def _account(
        self,
        draft: Draft,
        place: int,
        node: N8nNode,
        made_nodes: dict[int, list[Node]],
        folded: dict[int, int],
    ) -> None:
        reading, made = self.readings[place], self.made.get(place)
        status, why = "placeholder", self.why.get(place)
        ids = [each.id for each in made_nodes.get(folded.get(place, place), [])]
        if node.type == node_mapping.STICKY:
            status, why = "note", None
        elif place in folded:
            status, why = "mapped", None
        elif made:
            reading.finish()
            status = "translated" if reading.rewritten else "mapped"
            if made.missing:
                status, why = "incomplete", "; ".join(f"{key}: {what}" for key, what in made.missing.items())
        if status == "placeholder":
            reading.expressions = reading.untaken("its node is a placeholder")
        draft.expressions += reading.expressions
        draft.nodes.append(
            ImportedNode(
                pointer=reading.pointer(),
                name=node.name,
                type=node.type,
                type_version=reading.version,
                status=status,  # type: ignore[arg-type]
                node_ids=ids,
                reason=why,
                missing=list(made.missing) if made and place not in folded else [],
                left_out=reading.left_out[:100],
            )
        )
        extra = node.model_extra or {}
        for key, reason in _NODE_DROPS.items():
            if extra.get(key):
                draft.dropped.append(Dropped(pointer=reading.pointer(key), what=key, why=reason))
        if extra.get("credentials") and ids:
            draft.slots.append(ids[0])

    # The whole

    def _description(self, draft: Draft) -> str:
        """The file's own description, then what its sticky notes said."""
        extra = self.workflow.model_extra or {}
        found = [extra["description"]] if isinstance(extra.get("description"), str) else []
        for node in self.workflow.nodes:
            text = node.parameters.get("content")
            if node.type == node_mapping.STICKY and isinstance(text, str) and text.strip():
                found.append(text.strip())
        whole = "\n\n---\n\n".join(found)
        if len(whole) > MAX_DESCRIPTION:
            why = f"the description takes {MAX_DESCRIPTION} characters; what came after is cut"
            draft.dropped.append(Dropped(pointer="/nodes", what="sticky notes", why=why))
        return whole[:MAX_DESCRIPTION]


def _version(node: N8nNode) -> float:
    found = (node.model_extra or {}).get("typeVersion")
    return float(found) if isinstance(found, int | float) and 0 < found < 100 else 1.0


def _port(kind: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in kind)[:64] or "main"
