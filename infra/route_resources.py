"""The route functions' resources of template.yaml, which `make api` writes between two markers."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

from infra import routes
from infra.cloudformation import ROOT
from weconnect.api.operation import Operation
from weconnect.manifest import Module

TEMPLATE = ROOT / "template.yaml"
BEGIN = "  # Routes, written by `make api` from functions/*/*.py and the manifests. Change those, not these lines.\n"
END = "  # End of the routes.\n"


def write_routes(template: str, operations: Iterable[Operation], modules: Mapping[str, Module]) -> str:
    """Return the template with a function for each operation between the markers, by module and name."""
    head, _, rest = template.partition(BEGIN)
    _, _, tail = rest.partition(END)
    routes_by_file = sorted(
        (_get_file(operation), operation.writes or operation.replays) for operation in operations
    )
    sections = [
        f"\n  # {name}\n" + "\n".join(_render_resource(file, modules[name], writes) for file, writes in group)
        for name, group in groupby(routes_by_file, key=lambda route: route[0].parent.name)
    ]
    return head + BEGIN + "".join(sections) + "\n" + END + tail


def _get_file(operation: Operation) -> Path:
    """Return the file of an operation's function, relative to the folder of the functions: `agents/create_agent.py`."""
    module, _, name = operation.function.__module__.rpartition(".")
    return Path(module, f"{name}.py")


def _render_resource(file: Path, module: Module, writes: bool) -> str:
    """Return the YAML of a route function's resource, with its handler, role, and memory and layers of its own."""
    name = file.stem
    role = module.role if writes else module.reading_role or module.role
    role = module.roles_by_route.get(name, role)
    megabytes = module.memory_by_route.get(name)
    memory = f", MemorySize: {megabytes}" if megabytes else ""
    layers = ", ".join(f"!Ref {layer}" for layer in module.layers_by_route.get(name, ()))
    more = memory + (f", Layers: [{layers}]" if layers else "")
    return (
        f"  {routes.to_logical_id(file)}:\n"
        "    Type: AWS::Serverless::Function\n"
        f"    Properties: {{ Handler: {file.parent.name}.{name}.handler, Role: !GetAtt {role}.Arn{more} }}\n"
    )
