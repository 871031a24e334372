"""Errors of workflow executions; one class for each code."""

from weconnect.errors import Conflict, Invalid, NotFound, TooLarge


class ExecutionNotFound(NotFound):
    """The execution does not exist, or the caller may not see it."""

    code, title = "execution_not_found", "Execution not found"


class NodeExecutionNotFound(NotFound):
    """The execution has no node run with this ID."""

    code, title = "node_execution_not_found", "Node run not found"


class FileNotFound(NotFound):
    """The execution has no such file, or the file has expired with its execution."""

    code, title = "file_not_found", "File not found"


class CallbackNotFound(NotFound):
    """No node waits for this callback token."""

    code, title = "callback_not_found", "No node waits for this callback"


class WorkflowNotFound(NotFound):
    """The workflow does not exist, or the caller may not see it."""

    code, title = "workflow_not_found", "Workflow not found"


class WorkflowInactive(Conflict):
    """The workflow is not active, so it cannot be executed. Its newest version can be executed with mode `test`."""

    code, title = "workflow_inactive", "The workflow is not active. Activate it, or use mode test"


class AlreadyStarted(Conflict):
    """An execution with this ID was stored by an earlier attempt of the same start."""

    code, title = "already_started", "Execution already started"


class ConcurrencyLimitReached(Conflict):
    """As many executions are open as `settings.concurrency` of the workflow allows, and its policy is `skip`."""

    code, title = "concurrency_limit", "Concurrency limit reached"


class ConcurrencyKeyFailed(Invalid):
    """The expression of `settings.concurrency.key` could not be evaluated with the execution's input."""

    code, title = "concurrency_key_failed", "The concurrency key could not be evaluated"


class TriggerNotFound(Invalid):
    """`triggerNodeId` names no node of the workflow."""

    code, title = "trigger_not_found", "Trigger node not found"


class InputTooLarge(TooLarge):
    """The execution's input exceeds its limit."""

    code, title = "input_too_large", "Input too large"


class StillOpen(Conflict):
    """The execution has not finished, and the operation needs a finished one."""

    code, title = "still_open", "The execution has not finished"


class PartOfExecution(Conflict):
    """The execution processes some batches of a loop for another execution, and cannot be retried alone."""

    code, title = "part_of_run", "The execution is a part of another one"


class ExpressExecution(Conflict):
    """The execution runs within its caller's request, and cannot be paused."""

    code, title = "express", "Express executions cannot be paused"


class NotPaused(Conflict):
    """The execution is neither paused nor about to be."""

    code, title = "not_paused", "The execution is not paused"


class AlreadyCompleted(Conflict):
    """The callback or the execution was completed before."""

    code, title = "already_completed", "Already completed"


class AmbiguousCallback(Conflict):
    """Several nodes of the execution wait. Append a dot and the node's ID to the token."""

    code, title = "ambiguous_callback", "Several nodes wait for a callback"
