"""Errors of executions; one class for each code."""

from weconnect.errors import Conflict, LimitReached, NotFound, TooLarge


class ExecutionNotFound(NotFound):
    """The execution does not exist, or the caller may not see it."""

    code, title = "execution_not_found", "Execution not found"


class AlreadyStarted(Conflict):
    """An execution with this ID was stored by an earlier attempt of the same start."""

    code, title = "already_started", "Execution already started"


class ConcurrencyLimitReached(Conflict):
    """As many executions are open as `settings.concurrency` of the workflow allows, and its policy is `skip`."""

    code, title = "concurrency_limit", "Concurrency limit reached"


class InputTooLarge(TooLarge):
    """The execution's input exceeds its limit."""

    code, title = "input_too_large", "Input too large"


class StillOpen(Conflict):
    """The execution has not finished, and the operation needs a finished one."""

    code, title = "still_open", "The execution has not finished"


class TooDeep(Conflict):
    """Agents and workflows that call each other have reached the deepest nesting level allowed."""

    code, title = "too_deep", "Executions are nested too deeply"


class TooManyDescendants(LimitReached):
    """An execution has started as many others, by itself and through them, as the plan allows."""

    code, title = "too_many_descendants", "Too many executions started by one"


class ExpressExecution(Conflict):
    """The execution runs within its caller's request, and cannot be paused."""

    code, title = "express", "Express executions cannot be paused"


class NotPaused(Conflict):
    """The execution is neither paused nor about to be."""

    code, title = "not_paused", "The execution is not paused"
