"""The template as CloudFormation receives it."""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.cloudformation import ROOT
from tests.infra.stack import LAYERS, TEMPLATE


def package_template(changed: str = "", without: str = "") -> dict[str, Any]:
    """Return the template as `sam package` uploads it, with code by content hash.

    `changed` is a layer with other content, `without` a resource to leave out.
    """
    template = copy.deepcopy(TEMPLATE)
    template["Globals"]["Function"]["CodeUri"] = "s3://artifacts/functions"
    template["Resources"]["RunCode"]["Properties"]["CodeUri"] = "s3://artifacts/run-code"
    for name in LAYERS:
        template["Resources"][name]["Properties"]["ContentUri"] = (
            f"s3://artifacts/{name}{2 if name == changed else 1}"
        )
    template["Resources"]["Data"]["Properties"]["Location"] = "https://artifacts.example/data.yaml"
    template["Resources"].pop(without, None)
    return template


@pytest.fixture(scope="session")
def transformed() -> dict[str, dict[str, Any]]:
    """Transform the template as it is (""), without one route ("GetAgent"), and with each layer changed (its name)."""
    python = ROOT / ".venv-sam" / "bin" / "python"
    if not python.exists():
        pytest.fail("The SAM translator is missing: `make .venv-sam/stamp`")
    templates = {
        "": package_template(),
        "GetAgent": package_template(without="GetAgent"),
        **{name: package_template(name) for name in LAYERS},
    }
    completed = subprocess.run(
        [str(python), str(Path(__file__).with_name("sam_transform.py"))],
        input=json.dumps(list(templates.values())),
        env={"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return dict(zip(templates, json.loads(completed.stdout), strict=True))
