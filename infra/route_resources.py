"""The route functions' resources of template.yaml, which `make api` writes between two markers."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from infra import routes
from infra.cloudformation import ROOT
from weconnect.api.operation import Operation

TEMPLATE = ROOT / "template.yaml"
BEGIN = "  # Routes, written by `make api` from functions/*/*.py. Change the routes or infra/route_resources.py.\n"
END = "  # End of the routes.\n"

ROLES = {
    "agents": "AgentsRole",
    "api": "ApiRole",
    "approvals": "ExecutionsRole",
    "auth": "AuthRole",
    "executions": "ExecutionsRole",
    "jobs": "ApiRole",
    "organizations": "OrganizationsRole",
    "workflows": "WorkflowsRole",
}
# An express workflow is executed within the request, with what its nodes may reach.
ROLES_OF_FUNCTIONS = {"start_execution": "WorkflowsRole"}
# Memory brings CPU, and bcrypt takes a whole one for a quarter of a second.
HASHING_MEMORY = 1769
HASHING = {"change_password", "disable_mfa", "login", "register", "reset_password", "update_me"}


def write_routes(template: str, operations: Iterable[Operation]) -> str:
    """Return the template with a function for each operation between the markers, by module and name."""
    head, _, rest = template.partition(BEGIN)
    _, _, tail = rest.partition(END)
    files = sorted(_get_file(operation) for operation in operations)
    sections = [
        f"\n  # {module}\n" + "\n".join(_render_resource(file) for file in group)
        for module, group in groupby(files, key=lambda file: file.parent.name)
    ]
    return head + BEGIN + "".join(sections) + "\n" + END + tail


def _get_file(operation: Operation) -> Path:
    """Return the file of an operation's function, relative to the folder of the functions: `agents/create_agent.py`."""
    module, _, name = operation.function.__module__.rpartition(".")
    return Path(module, f"{name}.py")


def _render_resource(file: Path) -> str:
    """Return the YAML of a route function's resource, with its handler, its role and, where it hashes, more memory."""
    module, name = file.parent.name, file.stem
    role = ROLES_OF_FUNCTIONS.get(name, ROLES[module])
    memory = f", MemorySize: {HASHING_MEMORY}" if name in HASHING else ""
    return (
        f"  {routes.to_logical_id(file)}:\n"
        "    Type: AWS::Serverless::Function\n"
        f"    Properties: {{ Handler: {module}.{name}.handler, Role: !GetAtt {role}.Arn{memory} }}\n"
    )
