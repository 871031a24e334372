"""Errors of workflows' executions; one class for each code."""

from weconnect.errors import Conflict, Invalid, NotFound


class NodeExecutionNotFound(NotFound):
    """The execution has no node run with this ID."""

    code, title = "node_execution_not_found", "Node run not found"


class FileNotFound(NotFound):
    """The execution has no such file, or the file has expired with its execution."""

    code, title = "file_not_found", "File not found"


class CallbackNotFound(NotFound):
    """No node waits for this callback token."""

    code, title = "callback_not_found", "No node waits for this callback"


class ConcurrencyKeyFailed(Invalid):
    """The expression of `settings.concurrency.key` could not be evaluated with the execution's input."""

    code, title = "concurrency_key_failed", "The concurrency key could not be evaluated"


class TriggerNotFound(Invalid):
    """`triggerNodeId` names no node of the workflow."""

    code, title = "trigger_not_found", "Trigger node not found"


class PartOfExecution(Conflict):
    """The execution processes some batches of a loop for another execution, and cannot be retried alone."""

    code, title = "part_of_run", "The execution is a part of another one"


class AlreadyCompleted(Conflict):
    """The callback or the execution was completed before."""

    code, title = "already_completed", "Already completed"


class AmbiguousCallback(Conflict):
    """Several nodes of the execution wait. Append a dot and the node's ID to the token."""

    code, title = "ambiguous_callback", "Several nodes wait for a callback"
