"""What `make package` built, unzipped."""

from collections.abc import Iterator
from pathlib import Path

from infra import cloudformation
from infra.cloudformation import ROOT
from tests.bench.rows import Line

BUILT = ROOT / ".aws-sam" / "build"


def lines() -> Iterator[Line]:
    """Each function with its layers; nothing when nothing was built."""
    if not (BUILT / "template.yaml").exists():
        yield Line("deployed size", "not built: make package", bound="< 250 MB; functions < 2 MB")
        return
    template = cloudformation.load(BUILT / "template.yaml")
    size = {name: _megabytes(BUILT / name) for name in template["Resources"] if (BUILT / name).is_dir()}
    common = [layer["Ref"] for layer in template["Globals"]["Function"]["Layers"]]
    in_all: dict[str, float] = {}
    for name, found in template["Resources"].items():
        if found["Type"] == "AWS::Serverless::Function":
            layers = common + [layer["Ref"] for layer in found["Properties"].get("Layers", [])]
            in_all[name] = _megabytes(BUILT / found["Properties"].get("CodeUri", name)) + sum(
                size[layer] for layer in layers
            )
    for name in ("GetAgent", max(in_all, key=lambda name: in_all[name])):
        yield Line(
            f"unzipped with its layers: {name}",
            f"{in_all[name]:.0f} MB",
            bound="< 250 MB",
            met=in_all[name] < 250,
        )
    package = size["GetAgent"]
    yield Line("functions package", f"{package:.2f} MB", bound="< 2 MB", met=package < 2)


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
