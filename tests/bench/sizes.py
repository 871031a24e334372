"""Unzipped sizes of what `make package` built."""

from collections.abc import Iterator
from pathlib import Path

from infra import cloudformation
from infra.cloudformation import ROOT
from tests.bench.rows import Line

BUILT = ROOT / ".aws-sam" / "build"


def lines() -> Iterator[Line]:
    """Yield the sizes of functions with their layers; one line that says so when nothing was built."""
    if not (BUILT / "template.yaml").exists():
        yield Line("deployed size", "not built; run make package", bound="< 250 MB; functions < 2 MB")
        return
    template = cloudformation.read_template(BUILT / "template.yaml")
    size = {name: _megabytes(BUILT / name) for name in template["Resources"] if (BUILT / name).is_dir()}
    common = [layer["Ref"] for layer in template["Globals"]["Function"]["Layers"]]
    totals: dict[str, float] = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            layers = common + [layer["Ref"] for layer in resource["Properties"].get("Layers", [])]
            totals[name] = _megabytes(BUILT / resource["Properties"].get("CodeUri", name)) + sum(
                size[layer] for layer in layers
            )
    for name in ("GetAgent", max(totals, key=lambda name: totals[name])):
        yield Line(
            f"unzipped size with layers: {name}",
            f"{totals[name]:.0f} MB",
            bound="< 250 MB",
            met=totals[name] < 250,
        )
    package = size["GetAgent"]
    yield Line(
        "unzipped size of the functions' package", f"{package:.2f} MB", bound="< 2 MB", met=package < 2
    )


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
