"""`make demo`: a tour of the main features as a new user, on a local host in a temporary directory.

Registers, creates an agent with a calculator and an HTTP tool, executes it, lets it remember and recall, and prints the
steps. Then it executes a workflow as a webhook does, with branches, that agent, and a service that fails at first. Then
a second person is invited by mail, joins, loses a role, and is refused.

With an address (`make demo URL=http://127.0.0.1:3000`) it uses the host that runs there, with the same STATE_DIR for
its mailbox; that host must have been started with OUTBOUND_ALLOWED_HOSTS=127.0.0.1:8765, where the tour serves its
weather.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from infra.local import demo_workflow
from infra.local.demo_client import ApiError, Client
from infra.local.demo_data import read_mailed_token, register, verify_email

WEATHER_PORT = 8765
START_SECONDS = 120
BAR_WIDTH = 40


class Weather(BaseHTTPRequestHandler):
    """The service that the agent's HTTP tool calls; under `/sometimes` it fails at the first call."""

    failed = False

    def do_GET(self) -> None:
        """Respond with the weather as JSON; the first request to `/sometimes` gets 503."""
        if "/sometimes" in self.path and not Weather.failed:
            Weather.failed = True
            self.send_error(503)
            return
        city = parse_qs(urlsplit(self.path).query).get("city", ["?"])[0]
        body = json.dumps({"city": city, "temperature": 21, "sky": "clear"}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def run_tour(address: str, weather: str, state: Path) -> None:
    """Take the tour and print what happens."""
    email = f"tour-{int(time.time())}@example.com"
    print_now(f"1. register {email}")
    registered = register(Client(address), email, "Correct-Horse-7-Battery")
    user = Client(address).with_access_token(registered["accessToken"])
    organization = registered["organization"]
    print_now(f"   organization {organization['name']!r}, plan {organization['plan']}")

    print_now("2. create an agent with a calculator, an HTTP tool and a memory")
    agent = user.call(
        "POST", "/v1/agents", {"name": "Tour guide", "provider": "embedded", "model": "embedded"}
    )
    http_tool = {
        "toolName": "get_weather",
        "toolType": "http",
        "displayName": "Weather",
        "description": "Current weather of a city",
        "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "configuration": {
            "apiEndpoint": weather,
            "apiKey": "a-key-nobody-sees",
            "timeout": 5,
            "retryCount": 2,
        },
    }
    builtins = [{"toolName": name} for name in ("calculator", "memory_save", "memory_search")]
    for tool in [*builtins, http_tool]:
        made = user.call("POST", f"/v1/agents/{agent['id']}/tools", tool)
        print_now(f"   tool {made['toolName']}")

    questions = [
        "what is 17 * 23?",
        "What is the weather in Lisbon?",
        "Remember that our office is in Lisbon",
        "Where is our office?",
    ]
    for number, question in enumerate(questions, start=3):
        print_now(f"{number}. ask: {question}")
        print_execution(user.execute_agent(agent["id"], question))
    stats = user.call("GET", f"/v1/agents/{agent['id']}/stats")
    print_now(f"{number + 1}. executions {stats['runs']}, median {stats['executionTime']['p50']:.0f} ms")
    show_nested_agents(user, agent["id"], number + 2)
    show_workflow(user, agent["id"], weather, number + 4)
    verify_email(Client(address), state, email)
    show_members(address, state, user, f"/v1/organizations/{organization['id']}", number + 6)
    print_now("\n`make run` serves all this, with documentation at /docs")


def show_nested_agents(user: Client, guide: str, number: int) -> None:
    """Let an agent call another one after a person has approved the call and edited its arguments."""
    print_now(f"{number}. a second agent calls the first, after a person has approved it")
    agent = user.call("POST", "/v1/agents", {"name": "Boss"})
    tool = {
        "toolName": "ask_guide",
        "toolType": "agent",
        "description": "Asks the tour guide about the weather",
        "configuration": {"agentId": guide},
        "requiresApproval": True,
    }
    user.call("POST", f"/v1/agents/{agent['id']}/tools", tool)
    path = f"/v1/agents/{agent['id']}/executions"
    question = {"input": 'Ask the guide about the weather: input="What is the weather in Rome?"'}
    execution = user.call("POST", path, question, prefer="wait=20")
    (approval,) = user.call("GET", "/v1/approvals")["items"]
    print_now(f"   {execution['status']} for {approval['toolName']}({json.dumps(approval['arguments'])})")

    print_now(f"{number + 1}. approve it with other arguments")
    decision = {"decision": "approve", "arguments": {"input": "What is the weather in Porto?"}}
    user.call("POST", f"/v1/approvals/{approval['id']}/decide", decision)
    print_execution(user.wait_until_finished(f"{path}/{execution['id']}"))


def show_workflow(user: Client, agent: str, weather: str, number: int) -> None:
    """Execute a workflow with parallel branches, one of which calls a service that fails at first."""
    print_now(f"{number}. a workflow: the agent calculates a price while another branch fetches the weather")
    workflow_path = demo_workflow.create(user, agent, f"{weather}/sometimes")
    print_now(f"{number + 1}. execute it as a webhook does")
    execution = demo_workflow.execute(user, workflow_path)
    path = f"/v1/executions/{execution['id']}"
    timeline = user.call("GET", f"{path}/timeline")
    for bar in timeline["bars"]:
        print_now("   " + draw_bar(bar, max(1, timeline["durationMs"])))
    print_now(f"   {execution['status']}: {json.dumps(execution['output'])}")
    folder = Path(os.environ.get("STATE_DIR", ".local")) / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "timeline": f"{path}/timeline",
        "diagram": f"{workflow_path}/diagram?executionId={execution['id']}",
    }
    for name, source in pictures.items():
        picture = folder / f"{name}.svg"
        picture.write_text(user.text("GET", source, accept="image/svg+xml"))
        print_now(f"   {name}: {picture}  (GET {source})")


def draw_bar(bar: dict[str, Any], whole: int) -> str:
    """Return one line of a timeline: name, bar, milliseconds. `whole` is the duration of the execution."""
    start = round(BAR_WIDTH * bar["startMs"] / whole)
    length = max(1, round(BAR_WIDTH * bar["durationMs"] / whole))
    name = bar["nodeName"] if bar["attempt"] == 1 else f"{bar['nodeName']} ({bar['attempt']})"
    drawn = " " * min(start, BAR_WIDTH - 1) + ("█" if bar["status"] == "completed" else "░") * length
    return f"{name:<18}|{drawn[:BAR_WIDTH]:<{BAR_WIDTH}}| {bar['durationMs']:>5} ms  {bar['status']}"


def show_members(address: str, state: Path, owner: Client, organization: str, number: int) -> None:
    """Invite a second person, change their role, and show that the new role is enforced."""
    email = f"colleague-{int(time.time())}@example.com"
    print_now(f"{number}. invite {email} as a member")
    invitation = owner.call("POST", f"{organization}/invitations", {"email": email, "role": "member"})
    print_now(f"   sent {invitation['sentAt']}, valid until {invitation['expiresAt']}")

    print_now(f"{number + 1}. register as {email}, and accept with the token from the mail")
    registered = register(Client(address), email, "Correct-Horse-8-Battery")
    colleague = Client(address).with_access_token(registered["accessToken"])
    token = read_mailed_token(state, email, "invites you")
    joined = colleague.call("POST", "/v1/invitations/accept", {"token": token})
    print_now(f"   joined {joined['name']!r} as {joined['role']}")
    tokens = colleague.call("POST", f"{organization}/switch")
    colleague = Client(address).with_access_token(tokens["accessToken"])
    agent = colleague.call("POST", "/v1/agents", {"name": "Colleague's helper"})
    print_now(f"   creates the agent {agent['name']!r}")

    print_now(f"{number + 2}. the owner makes the colleague a viewer")
    user = registered["user"]["id"]
    changed = owner.call("PATCH", f"{organization}/members/{user}", {"role": "viewer"})
    print_now(f"   now {changed['role']}, who may {', '.join(changed['effectivePermissions'][:3])} …")

    print_now(f"{number + 3}. with the next token the colleague reads and can no longer write")
    tokens = colleague.call("POST", "/v1/auth/refresh", {"refreshToken": tokens["refreshToken"]})
    colleague = Client(address).with_access_token(tokens["accessToken"])
    print_now(f"   reads {len(colleague.call('GET', '/v1/agents')['items'])} agents")
    try:
        colleague.call("POST", "/v1/agents", {"name": "One more"})
    except ApiError as refused:
        problem = json.loads(str(refused).partition(" 403 ")[2])
        print_now(f"   POST /v1/agents: {problem['status']} {problem['code']}: {problem['detail']}")
    else:
        sys.exit("a viewer was allowed to write")


def print_execution(execution: dict[str, Any]) -> None:
    """Print the steps and the output of an execution."""
    for step in execution["steps"]:
        call = step["name"] if step["type"] == "model" else f"{step['name']}({json.dumps(step['arguments'])})"
        result = step["error"] or (
            json.dumps(step["result"], ensure_ascii=False) if step["type"] == "tool" else ""
        )
        print_now(
            f"   step {step['number']}  {step['type']:<6}{step['durationMs']:>5} ms  {call}  {result[:120]}"
        )
    print_now(f"   {execution['status']}: {execution['output'] or execution['error']}")


def print_now(text: str) -> None:
    """Print a line without buffering."""
    print(text, flush=True)


@contextlib.contextmanager
def serve_weather() -> Iterator[str]:
    """Serve the weather and yield the URL of the tool's endpoint."""
    server = HTTPServer(("127.0.0.1", WEATHER_PORT), Weather)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{WEATHER_PORT}/weather"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def start_host() -> Iterator[tuple[str, Path]]:
    """Start a local host in a temporary directory; yield its address and its state directory."""
    with tempfile.TemporaryDirectory(prefix="weconnect-") as state:
        settings = {"PORT": "0", "STATE_DIR": state, "OUTBOUND_ALLOWED_HOSTS": f"127.0.0.1:{WEATHER_PORT}"}
        log = (Path(state) / "host.out").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.local"], env=os.environ | settings, stdout=log, stderr=log
        )
        try:
            yield _wait_for_address(process, Path(state)), Path(state)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            log.close()


def _wait_for_address(process: subprocess.Popen[bytes], state: Path) -> str:
    """Return the host's address once it is up; exits with its output when it has ended or is not up after 120 s."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            return f"http://127.0.0.1:{json.loads((state / 'host.json').read_text())['port']}"
        time.sleep(0.1)
    sys.exit(f"the host did not start:\n{(state / 'host.out').read_text()}")


def main() -> None:
    """Run the tour against the address in the arguments, or a host of its own."""
    with serve_weather() as weather, contextlib.ExitStack() as stack:
        if len(sys.argv) > 1:
            address, state = sys.argv[1], Path(os.environ.get("STATE_DIR", ".local"))
        else:
            address, state = stack.enter_context(start_host())
        run_tour(address.rstrip("/"), weather, state)


if __name__ == "__main__":
    main()
