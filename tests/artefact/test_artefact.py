"""The packages that `sam deploy` uploads, built for this machine: sizes, imports, and the sample events."""

import json
import os
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from infra.cloudformation import ROOT, read_template
from tests.artefact.execution_environment import Package
from tests.artefact.packages import measure_bytes
from tests.e2e.workflow_api import FINISHED, WorkflowApi
from tests.host.local_host import LocalHost
from tests.workflows.definitions import definition, node

MAX_BYTES = 250 * 2**20
"""Lambda's limit of a function with its layers, unzipped."""

HANDLERS = {
    name: resource["Properties"]["Handler"]
    for name, resource in read_template(ROOT / "template.yaml")["Resources"].items()
    if resource["Type"] == "AWS::Serverless::Function"
}
EVENTS = ROOT / "tests" / "sample_events"
NO_FAILURES: dict[str, Any] = {"batchItemFailures": []}
RESULTS = {
    "on_table_change": NO_FAILURES,
    "on_purged": NO_FAILURES,
    "on_event": NO_FAILURES,
    "on_job": NO_FAILURES,
    "on_execution_ended": {"closed": False},
    "on_sweep": {"swept": 0},
    "run_agent": {"status": "closed"},
    "run_workflow": {"status": "closed"},
    "run_code": {"items": [{"n": 1, "double": 2}, {"n": 2, "double": 4}], "log": ["2 items"]},
}


def test_every_function_was_built(packages: dict[str, Package]) -> None:
    assert packages.keys() == HANDLERS.keys()


def test_functions_with_their_layers_fit(packages: dict[str, Package]) -> None:
    too_large = [
        name
        for name, package in packages.items()
        if measure_bytes(package.task_root) + measure_bytes(package.opt) > MAX_BYTES
    ]
    assert not too_large


def test_every_handler_imports_from_its_package(packages: dict[str, Package]) -> None:
    names_by_folders: dict[tuple[Path, Path | None], list[str]] = defaultdict(list)
    for name, package in packages.items():
        folder = package.task_root if name == "RunCode" else packages["Authorize"].task_root
        names_by_folders[folder, package.opt].append(name)
    errors: dict[str, str] = {}
    for (task_root, opt), names in names_by_folders.items():
        path = [str(task_root), *([f"{opt}/python"] if opt else [])]
        output = subprocess.run(
            [
                os.environ["LAMBDA_PYTHON"],
                "-P",
                Path(__file__).with_name("import_handlers.py"),
                *(HANDLERS[name] for name in names),
            ],
            env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(path), "AWS_REGION": "us-east-1"},
            capture_output=True,
            check=True,
        ).stdout
        errors |= json.loads(output)
    assert not errors


def invoke(host: LocalHost, name: str, event: Any) -> Any:
    """Invoke the function whose handler is in a file of this name; return its result."""
    (function,) = [key for key, handler in HANDLERS.items() if handler.split(".")[1] == name]
    client = host.client("lambda")
    qualified = {"run_agent": "weconnect-run-agent:live", "run_workflow": "weconnect-run-workflow:live"}
    response = client.invoke(
        FunctionName=qualified.get(
            name, "weconnect-run-code" if name == "run_code" else f"weconnect-{function}"
        ),
        Payload=json.dumps(event).encode(),
    )
    result = json.loads(response["Payload"].read())
    assert "FunctionError" not in response, result
    return result


@pytest.fixture(scope="session")
def api(host: LocalHost) -> WorkflowApi:
    return WorkflowApi(host)


@pytest.fixture(scope="session")
def agent_execution(api: WorkflowApi) -> Any:
    """Execute an agent with a tool."""
    path = f"/v1/agents/{api('POST', '/v1/agents', {'name': 'A', 'provider': 'embedded', 'model': 'embedded'})['id']}"
    api("POST", f"{path}/tools", {"toolName": "calculator"})
    started = api("POST", f"{path}/executions", {"input": "What is 6 * 7?"})
    return api.wait_for_status(f"{path}/executions/{started['id']}", *FINISHED)


@pytest.fixture(scope="session")
def workflow_execution(api: WorkflowApi, agent_execution: Any) -> Any:
    """Execute a workflow with code, a timer and an agent."""
    nodes = [
        node("sum", "code", code="return {'sum': sum(item['n'] for item in items)}", mode="all"),
        node("nap", "wait", seconds=1),
        node("ask", "agent", agentId=agent_execution["agentId"], input="What is {{ $json.sum }} + 1?"),
    ]
    path = api.create_active("Packaged", definition(nodes, "start > sum", "sum > nap", "nap > ask"))
    return api.wait_for_status(api.start_execution(path, [{"n": 1}, {"n": 2}]), *FINISHED)


def test_an_agent_is_executed(agent_execution: Any) -> None:
    assert (agent_execution["status"], agent_execution["error"]) == ("completed", None)
    assert "42" in agent_execution["output"]


def test_a_workflow_is_executed(workflow_execution: Any) -> None:
    assert (workflow_execution["status"], workflow_execution["error"]) == ("completed", None)
    assert "4" in workflow_execution["output"][0]["output"]


@pytest.fixture
def event(
    request: pytest.FixtureRequest, api: WorkflowApi, agent_execution: Any, workflow_execution: Any
) -> Any:
    """Load a sample event with the IDs of entities that exist, and the token of their user."""
    execution = workflow_execution if request.param == "run_workflow" else agent_execution
    me = api("GET", "/v1/users/me")
    ids = {
        "a": me["currentOrganizationId"],
        "b": agent_execution["agentId"],
        "c": execution["id"],
        "d": me["id"],
    }
    text = (EVENTS / f"{request.param}.json").read_text()
    for digit, value in ids.items():
        text = text.replace(f"01930000-0000-7000-8000-00000000000{digit}", value)
    return json.loads(text.replace("Bearer TOKEN", api.headers["Authorization"]))


@pytest.mark.parametrize(
    ("name", "event"),
    [(name, name) for name in sorted(path.stem for path in EVENTS.glob("*.json"))],
    indirect=["event"],
)
def test_a_sample_event_is_handled(
    name: str, event: Any, host: LocalHost, api: WorkflowApi, agent_execution: Any
) -> None:
    result = invoke(host, name, event)
    match name:
        case "authorize":
            assert result["context"]["userId"] == api("GET", "/v1/users/me")["id"]
        case "create_agent":
            assert api("GET", f"/v1/agents/{json.loads(result['body'])['id']}")["name"] == "Helper"
        case "get_health":
            assert json.loads(result["body"]) == {"status": "ok"}
        case _:
            assert result == RESULTS[name]
