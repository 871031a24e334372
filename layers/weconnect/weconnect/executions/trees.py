"""Trees: an execution that was requested, with all that it starts, by itself or through what it has started.

What a tree starts does not count in the month of its organization: a loop that calls a subworkflow is one execution, as
its user sees it. Instead the plan limits how many executions a tree may start, and one tree executes at most as many
of them at once as one execution has parallel branches: what has started several in parallel is the requested one, and
each of those starts its own one after the other. So no child waits for a slot that the execution above it holds.
"""

from uuid import UUID

from weconnect.db import counters
from weconnect.errors import Unavailable
from weconnect.executions.errors import TooManyDescendants
from weconnect.executions.requests import StartExecution
from weconnect.executions.rows import ExecutionTree, TreeRow
from weconnect.log import logger


def place(request: StartExecution, max_descendants: int) -> ExecutionTree:
    """Return the tree of a new execution, and its level there.

    One that has a parent is in its tree; a slice of a loop takes the place of its parent, which waits meanwhile. One
    that handles a failure is in the tree of what has failed, so that failures multiply nothing. Any other begins a tree
    of up to `max_descendants` (-1: any number).
    """
    if parent := request.parent:
        return {**parent.tree, "level": parent.tree["level"] + (0 if request.part else 1)}
    if failed := request.failed:
        return {**failed.tree, "level": 0}
    return {"root_id": str(request.execution_id), "level": 0, "max_descendants": max_descendants}


def starts_in_parallel(tree: ExecutionTree) -> bool:
    """Return whether an execution may start several others at the same time, instead of one after the other."""
    return tree["level"] == 0


def count_descendant(organization_id: UUID, tree: ExecutionTree) -> None:
    """Count an execution that another one starts. Raises TooManyDescendants, Unavailable.

    One update of a row of its own, in no transaction, so that parallel starts do not make each other fail.
    """
    limit = tree["max_descendants"]
    values: dict[str, counters.CounterValue] = {":one": 1, ":kind": TreeRow.kind_name()}
    condition = ""
    if limit >= 0:
        condition = "attribute_not_exists(descendants) OR descendants < :limit"
        values[":limit"] = limit
    at = TreeRow.at(organization_id, UUID(tree["root_id"]))
    request = counters.update_request(at, "SET kind = :kind ADD descendants :one", values, condition)
    try:
        if limit:
            counters.send_update(request)
            return
    except counters.ConditionFailed:
        pass
    raise TooManyDescendants(
        f"The execution {tree['root_id']} has started {limit} others, by itself and through them, which is the limit "
        "of its organization's plan. Start fewer, such as one subworkflow for many items, or change the plan."
    )


def uncount_descendant(organization_id: UUID, tree: ExecutionTree) -> None:
    """Take back the count of an execution that was not stored. A failure leaves a count too many."""
    at = TreeRow.at(organization_id, UUID(tree["root_id"]))
    values: dict[str, counters.CounterValue] = {":less": -1, ":zero": 0}
    try:
        counters.send_update(
            counters.update_request(at, "ADD descendants :less", values, "descendants > :zero")
        )
    except (counters.ConditionFailed, Unavailable) as error:
        logger.warning("descendant not given back", execution_id=tree["root_id"], error=repr(error))
