"""What leaves the trash for good takes along what belonged to it, kind by kind."""

from collections.abc import Callable


def purge(trash: dict[str, str]) -> bool:
    """End what belonged to the row that stood at `trash` (pk and sk); False when there is more to do, so ask again.

    Kinds that own nothing, such as keys and members, need nothing.
    """
    begin = _PURGES.get(trash["sk"].split("#")[1])
    return begin(trash) if begin else True


def _agent(trash: dict[str, str]) -> bool:
    from weconnect.agents import purge as agents

    agents.purge(trash)
    return True


def _workflow(trash: dict[str, str]) -> bool:
    from weconnect.workflows import purge as workflows

    workflows.purge(trash)
    return True


def _organization(trash: dict[str, str]) -> bool:
    from weconnect.organizations import purge as organizations

    return organizations.purge(trash)


_PURGES: dict[str, Callable[[dict[str, str]], bool]] = {
    "AGENT": _agent,
    "WORKFLOW": _workflow,
    "ORG": _organization,
}
