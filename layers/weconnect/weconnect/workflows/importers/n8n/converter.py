"""Conversion of an n8n workflow to a draft, with a report of every node, expression and connection."""

from collections.abc import Iterator

from weconnect.node_sdk.entities import Connection, Node
from weconnect.workflows.definition.validation import check
from weconnect.workflows.entities import Validation, WorkflowDefinition
from weconnect.workflows.importers.n8n import node_builder as nodes
from weconnect.workflows.importers.n8n import node_mapping
from weconnect.workflows.importers.n8n import workflow_settings as whole
from weconnect.workflows.importers.n8n.cycles import find_cycle_nodes
from weconnect.workflows.importers.n8n.draft import Draft
from weconnect.workflows.importers.n8n.export_file import Link, N8nNode, N8nWorkflow, read_links
from weconnect.workflows.importers.n8n.item_lineage import ItemLineage
from weconnect.workflows.importers.n8n.jsonata_terms import ExpressionScope
from weconnect.workflows.importers.n8n.report import (
    Dropped,
    ImportedNode,
    LeftOut,
)
from weconnect.workflows.importers.n8n.source_node import MappedNode, NodeReader, NotConvertible
from weconnect.workflows.importers.n8n.syntax_tree import Unsupported
from weconnect.workflows.node_catalogue import find_node_type

MAX_PASSES = 6
MAX_DESCRIPTION = 10_000
_LOOP_FINDINGS = {"cycle", "into_loop", "out_of_loop", "too_deep"}
_NODE_DROPS = {
    "alwaysOutputData": "a node without output items ends its branch here",
    "executeOnce": "every item is processed; put a limit node before it",
    "credentials": "a file contains no secrets: set the credential of the slot",
}
_CYCLE = LeftOut(
    what="cycle",
    why="in n8n a connection may lead back to any node; here only to a loop over items, so the draft cannot be executed"
    " before this part is changed",
)


def convert(workflow: N8nWorkflow) -> Draft:
    """Return the draft for a workflow.

    Loops that violate our rules become placeholders if that leaves fewer errors.
    """
    rejected: dict[int, str] = {}
    first: Draft | None = None
    for remaining in reversed(range(MAX_PASSES)):
        conversion = _Conversion(workflow, rejected)
        draft = conversion.build_draft()
        first = first or draft
        broken = conversion.find_broken_loops(draft, replace_all=remaining <= 1)
        if not broken:
            break
        rejected |= broken
    assert first
    return first if _count_errors(first) <= _count_errors(draft) else draft


def _count_errors(draft: Draft) -> int:
    """Return the number of a draft's validation errors."""
    return sum(finding.severity == "error" for finding in draft.validation.findings)


class _Conversion:
    """One pass over a workflow; the nodes in `rejected` (reason by index) become placeholders."""

    def __init__(self, workflow: N8nWorkflow, rejected: dict[int, str]) -> None:
        self.workflow = workflow
        self.rejected = rejected
        self.links, self.lost = read_links(workflow)
        self.links_by_source: dict[int, list[Link]] = {}
        for link in self.links:
            self.links_by_source.setdefault(link.source, []).append(link)
        self.names = nodes.make_unique_names(workflow.nodes)
        self.timezone = whole.read_timezone(workflow)
        self.readers = self._create_readers()
        self.mapped: dict[int, MappedNode] = {}
        self.why: dict[int, str] = {}

    def build_draft(self) -> Draft:
        """Return the draft with its validation and the entries of its report."""
        for index, node in enumerate(self.workflow.nodes):
            if node.type != node_mapping.STICKY:
                self._convert_node(index, node)
        absorbed_by = {
            index: owner
            for owner, mapped in self.mapped.items()
            for index in mapped.absorbed
            if self._is_only_attached(index)
        }
        nodes_by_index, first = self._build_nodes(absorbed_by)
        draft = Draft(
            name=whole.read_name(self.workflow),
            description="",
            tags=whole.read_tags(self.workflow),
            definition=WorkflowDefinition(
                settings=whole.read_settings(self.workflow, self.timezone),
                nodes=[node for group in nodes_by_index.values() for node in group],
                connections=[],
            ),
            validation=Validation(valid=True, express=False, findings=[]),
        )
        draft.dropped += [Dropped(pointer=pointer, what="connection", why=why) for pointer, why in self.lost]
        draft.definition.connections += list(self._build_connections(draft, absorbed_by, first))
        draft.description = self._build_description(draft)
        for index, node in enumerate(self.workflow.nodes):
            self._report_node(draft, index, node, nodes_by_index, absorbed_by)
        draft.dropped += list(whole.list_dropped(self.workflow))
        draft.validation = check(draft.definition)
        in_cycles = find_cycle_nodes(draft.definition)
        for imported in draft.nodes:
            imported.left_out += [_CYCLE] if in_cycles & set(imported.node_ids) else []
        return draft

    def find_broken_loops(self, draft: Draft, *, replace_all: bool) -> dict[int, str]:
        """Return the loops to replace, with reasons: those with a finding, else all if other nodes have one.

        With `replace_all` these are all loops as soon as any node has a finding.
        """
        loops = {
            f"node-{index}": index for index, mapped in self.mapped.items() if mapped.steps[-1][0] == "loop"
        }
        findings = [
            each for each in draft.validation.findings if each.code in _LOOP_FINDINGS and each.node_id
        ]
        if not loops or not findings:
            return {}
        own = {each.node_id: each.message for each in findings if each.node_id in loops}
        if own and not replace_all:
            return {
                loops[str(node_id)]: f"not valid as a loop here: {message}"
                for node_id, message in own.items()
            }
        text = f"not valid as a loop here: {findings[0].message}"
        return dict.fromkeys(loops.values(), text)

    # Nodes

    def _create_readers(self) -> list[NodeReader]:
        """Return a reader for each node, with the nodes attached to it by connections of other kinds than main."""
        all_names: dict[str, str] = {}
        for node, name in zip(self.workflow.nodes, self.names, strict=True):
            all_names.setdefault(node.name, name)
        lineage = ItemLineage(self.workflow.nodes, self.links)

        def create_scope(index: int) -> ExpressionScope:
            return ExpressionScope(all_names, lambda name: lineage.item_of_node(index, name), self.timezone)

        readers = [
            NodeReader(node, index, _read_version(node), create_scope(index))
            for index, node in enumerate(self.workflow.nodes)
        ]
        for link in self.links:
            if link.kind != "main":
                helper = (link.source, self.workflow.nodes[link.source])
                readers[link.target].attached.setdefault(link.kind, []).append(helper)
        return readers

    def _convert_node(self, index: int, node: N8nNode) -> None:
        """Store a node's equivalent in `mapped`, or in `why` the reason why it gets a placeholder."""
        reader = self.readers[index]
        maker = node_mapping.CONVERTERS.get(node.type)
        if index in self.rejected or maker is None:
            self.why[index] = self.rejected.get(index) or node_mapping.explain_missing(node.type)
            return
        try:
            mapped = maker(reader)
            nodes.check_parameters(mapped)
            self.mapped[index] = mapped
        except (NotConvertible, Unsupported) as refusal:
            self.why[index] = str(refusal)
            reader.expressions.clear()
            reader.left_out.clear()

    def _is_only_attached(self, index: int) -> bool:
        """Return whether a model is attached only to converted nodes, so that it needs no node of its own."""
        return all(link.target in self.mapped for link in self.links_by_source.get(index, ()))

    def _build_nodes(self, absorbed_by: dict[int, int]) -> tuple[dict[int, list[Node]], dict[int, str]]:
        """Return the nodes by index in the file, and the id of the first step of each."""
        taken = {name.casefold(): 1 for name in self.names}
        placeholder_count = len(self.why) + sum(bool(mapped.missing) for mapped in self.mapped.values())
        room = max(500, min(nodes.MAX_ORIGINAL, nodes.MAX_ORIGINALS // max(1, placeholder_count)))
        groups: dict[int, list[Node]] = {}
        for index in range(len(self.workflow.nodes)):
            if index in absorbed_by or self.workflow.nodes[index].type == node_mapping.STICKY:
                continue
            reader, name = self.readers[index], self.names[index]
            if index in self.mapped:
                groups[index] = nodes.build_nodes(reader, self.mapped[index], name, taken)
                if self.mapped[index].missing:
                    groups[index].append(nodes.build_original(reader, name, self.mapped[index], room, taken))
            else:
                links = self.links_by_source.get(index, ())
                outputs = sorted({self._find_output(link) for link in links} - {"main"})
                groups[index] = [nodes.build_placeholder(reader, name, self.why[index], outputs, room)]
        return groups, {index: group[0].id for index, group in groups.items()}

    def _find_output(self, link: Link) -> str:
        """Return the name of the output at which a connection begins; empty when it does not exist."""
        mapped = self.mapped.get(link.source)
        if link.kind != "main":
            return "" if mapped else _convert_port(link.kind)
        outputs = mapped.outputs if mapped else ("main",)
        on_error = (self.workflow.nodes[link.source].model_extra or {}).get("onError")
        if on_error == "continueErrorOutput" and link.output >= len(outputs) and (mapped or link.output == 1):
            return "error"
        if mapped:
            return outputs[link.output] if link.output < len(outputs) else ""
        return "main" if link.output == 0 else f"output{link.output}"

    def _build_connections(
        self, draft: Draft, absorbed_by: dict[int, int], first: dict[int, str]
    ) -> Iterator[Connection]:
        """Yield the draft's connections, those between a node's steps included; record the others as dropped."""
        seen: set[tuple[str, ...]] = set()
        for index, mapped in self.mapped.items():
            count = len(mapped.steps)
            for number in range(1, count):
                following = f"node-{index}" if number + 1 == count else f"node-{index}-{number + 1}"
                yield Connection(source_node_id=f"node-{index}-{number}", target_node_id=following)
            if mapped.missing:
                yield Connection(
                    source_node_id=f"node-{index}-original", target_node_id=first[index], is_enabled=False
                )
        for link in self.links:
            if link.source in absorbed_by:
                continue
            output = self._find_output(link)
            why = ""
            if link.source not in first or link.target not in first:
                why = "belongs to a sticky note or to a node that became a part of another one"
            elif not output:
                why = "its output does not exist"
            elif self._is_trigger(link.target):
                why = "its target is a trigger"
            if why:
                draft.dropped.append(Dropped(pointer=link.pointer, what="connection", why=why))
                continue
            source = self._find_error_source_id(link.source) if output == "error" else f"node-{link.source}"
            ends = (source, output, first[link.target], self._find_input(link))
            if ends in seen:
                draft.dropped.append(Dropped(pointer=link.pointer, what="connection", why="is a duplicate"))
                continue
            seen.add(ends)
            # Connections of an agent's parts transport no items: they are kept for display, but disabled.
            yield Connection(
                source_node_id=ends[0],
                source_output=ends[1],
                target_node_id=ends[2],
                target_input=ends[3],
                is_enabled=link.kind == "main",
            )

    def _find_error_source_id(self, index: int) -> str:
        """Return the id of the node with the error output, of those that n8n's node at `index` became."""
        mapped = self.mapped.get(index)
        number = nodes.find_acting_step(mapped) if mapped else 1
        return f"node-{index}" if mapped is None or number == len(mapped.steps) else f"node-{index}-{number}"

    def _is_trigger(self, index: int) -> bool:
        """Return whether the converted node has no inputs."""
        mapped = self.mapped.get(index)
        kind = find_node_type(mapped.steps[0][0]) if mapped else None
        return kind is not None and kind.inputs == ()

    def _find_input(self, link: Link) -> str:
        """Return the name of the input at which a connection ends."""
        mapped = self.mapped.get(link.target)
        if link.target_kind != "main":
            return "main" if mapped else _convert_port(link.target_kind)
        if mapped is None:
            return "main" if link.input == 0 else f"input{link.input}"
        return mapped.inputs[min(link.input, len(mapped.inputs) - 1)] if mapped.inputs else "main"

    # Report

    def _report_node(
        self,
        draft: Draft,
        index: int,
        node: N8nNode,
        nodes_by_index: dict[int, list[Node]],
        absorbed_by: dict[int, int],
    ) -> None:
        """Add a node's entry, its expressions, dropped settings and credential slot to the draft."""
        reader, mapped = self.readers[index], self.mapped.get(index)
        status, why = "placeholder", self.why.get(index)
        ids = [each.id for each in nodes_by_index.get(absorbed_by.get(index, index), [])]
        if node.type == node_mapping.STICKY:
            status, why = "note", None
        elif index in absorbed_by:
            status, why = "mapped", None
        elif mapped:
            reader.report_unread()
            status = "translated" if reader.is_rewritten else "mapped"
            if mapped.missing:
                status, why = (
                    "incomplete",
                    "; ".join(f"{key}: {what}" for key, what in mapped.missing.items()),
                )
        if status == "placeholder":
            reader.expressions = reader.list_untranslated("its node is a placeholder")
        draft.expressions += reader.expressions
        draft.nodes.append(
            ImportedNode(
                pointer=reader.build_pointer(),
                name=node.name,
                type=node.type,
                type_version=reader.version,
                status=status,
                node_ids=ids,
                reason=why,
                missing=list(mapped.missing) if mapped and index not in absorbed_by else [],
                left_out=reader.left_out[:100],
            )
        )
        extra = node.model_extra or {}
        for key, reason in _NODE_DROPS.items():
            if extra.get(key):
                draft.dropped.append(Dropped(pointer=reader.build_pointer(key), what=key, why=reason))
        if extra.get("credentials") and ids:
            draft.slots.append(ids[0])

    # Description

    def _build_description(self, draft: Draft) -> str:
        """Return the description in the file, followed by its sticky notes."""
        extra = self.workflow.model_extra or {}
        texts = [extra["description"]] if isinstance(extra.get("description"), str) else []
        for node in self.workflow.nodes:
            text = node.parameters.get("content")
            if node.type == node_mapping.STICKY and isinstance(text, str) and text.strip():
                texts.append(text.strip())
        whole = "\n\n---\n\n".join(texts)
        if len(whole) > MAX_DESCRIPTION:
            why = f"the description may have {MAX_DESCRIPTION} characters; the rest was cut"
            draft.dropped.append(Dropped(pointer="/nodes", what="sticky notes", why=why))
        return whole[:MAX_DESCRIPTION]


def _read_version(node: N8nNode) -> float:
    """Return a node's typeVersion; 1.0 when it is missing or invalid."""
    version = (node.model_extra or {}).get("typeVersion")
    return float(version) if isinstance(version, int | float) and 0 < version < 100 else 1.0


def _convert_port(kind: str) -> str:
    """Return the name of a placeholder's port for a kind of connection: letters, digits and underscores."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in kind)[:64] or "main"
