"""The manifest of the approvals."""

from weconnect.manifest import EventSource, Module

MODULE = Module(
    rows=("weconnect.approvals.rows",),
    events={
        "APPROVAL": EventSource(
            change={"eventName": ["INSERT"]},
            types={"approval.requested": "An execution waits for a decision"},
            build="weconnect.approvals.events:build_message",
        )
    },
    tags={"Approvals": "Decisions by people about tool calls and nodes."},
    tags_rank=40,
    role="ExecutionsRole",
    reading_role="ContentReadingRole",
)
