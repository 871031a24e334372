"""`make demo`: the main job end to end, as a new user, on a host of its own in a temporary directory.

Registers, makes an agent with a calculator and an HTTP tool, runs it, lets it remember and recall, prints the steps.
Then a workflow runs as a webhook would start it, with branches, that agent, and a service that fails at first.
Then a second person is invited by mail, joins, loses a role, and is refused.
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

from infra.local import visits
from infra.local.client import Client, Refused
from infra.local.demo import mailed_token, register, verify

WEATHER_PORT = 8765
START_SECONDS = 120
BAR_WIDTH = 40


class Weather(BaseHTTPRequestHandler):
    """The service that the agent's HTTP tool calls; under `/sometimes` it fails at the first call."""

    failed = False

    def do_GET(self) -> None:
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
        """Say nothing."""


def tour(address: str, weather: str, state: Path) -> None:
    """Go through the main job and print what happens."""
    email = f"tour-{int(time.time())}@example.com"
    say(f"1. register {email}")
    registered = register(Client(address), email, "Correct-Horse-7-Battery")
    user = Client(address).signed_in(registered["accessToken"])
    organization = registered["organization"]
    say(f"   organization {organization['name']!r}, plan {organization['plan']}")

    say("2. create an agent with a calculator, an HTTP tool and a memory")
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
        say(f"   tool {made['toolName']}")

    questions = [
        "what is 17 * 23?",
        "What is the weather in Lisbon?",
        "Remember that our office is in Lisbon",
        "Where is our office?",
    ]
    for number, question in enumerate(questions, start=3):
        say(f"{number}. ask: {question}")
        show(user.run(agent["id"], question))
    stats = user.call("GET", f"/v1/agents/{agent['id']}/stats")
    say(f"{number + 1}. runs {stats['runs']}, half of them within {stats['executionTime']['p50']:.0f} ms")
    boss(user, agent["id"], number + 2)
    workflow(user, agent["id"], weather, number + 4)
    verify(Client(address), state, email)
    team(address, state, user, f"/v1/organizations/{organization['id']}", number + 6)
    say("\n`make run` serves all this, with documentation at /docs")


def boss(user: Client, guide: str, number: int) -> None:
    """Let an agent ask another, but only what a person has allowed, and in that person's words."""
    say(f"{number}. a second agent may ask the first, when a person allows it")
    agent = user.call("POST", "/v1/agents", {"name": "Boss"})
    tool = {
        "toolName": "ask_guide",
        "toolType": "agent",
        "description": "Asks the tour guide about the weather",
        "configuration": {"agentId": guide},
        "requiresApproval": True,
    }
    user.call("POST", f"/v1/agents/{agent['id']}/tools", tool)
    place = f"/v1/agents/{agent['id']}/executions"
    question = {"input": 'Ask the guide about the weather: input="What is the weather in Rome?"'}
    run = user.call("POST", place, question, prefer="wait=20")
    (approval,) = user.call("GET", "/v1/approvals")["items"]
    say(f"   {run['status']} for {approval['toolName']}({json.dumps(approval['arguments'])})")

    say(f"{number + 1}. approve it with other arguments")
    answer = {"decision": "approve", "arguments": {"input": "What is the weather in Porto?"}}
    user.call("POST", f"/v1/approvals/{approval['id']}/decide", answer)
    show(user.until_ended(f"{place}/{run['id']}"))


def workflow(user: Client, agent: str, weather: str, number: int) -> None:
    """Run a workflow whose branches work side by side, one of them with a service that fails at first."""
    say(f"{number}. a workflow: a call begins it, the agent prices the visit while the weather is asked for")
    made = visits.make(user, agent, f"{weather}/sometimes")
    say(f"{number + 1}. run it as a webhook does")
    run = visits.run(user, made)
    place = f"/v1/executions/{run['id']}"
    timeline = user.call("GET", f"{place}/timeline")
    for bar in timeline["bars"]:
        say("   " + bar_of(bar, max(1, timeline["durationMs"])))
    say(f"   {run['status']}: {json.dumps(run['output'])}")
    folder = Path(os.environ.get("STATE_DIR", ".local")) / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"timeline": f"{place}/timeline", "diagram": f"{made}/diagram?executionId={run['id']}"}
    for name, source in pictures.items():
        picture = folder / f"{name}.svg"
        picture.write_text(user.text("GET", source, accept="image/svg+xml"))
        say(f"   {name}: {picture}  (GET {source})")


def bar_of(bar: dict[str, Any], whole: int) -> str:
    """One line of a time line: name, bar, milliseconds."""
    start = round(BAR_WIDTH * bar["startMs"] / whole)
    length = max(1, round(BAR_WIDTH * bar["durationMs"] / whole))
    name = bar["nodeName"] if bar["attempt"] == 1 else f"{bar['nodeName']} ({bar['attempt']})"
    drawn = " " * min(start, BAR_WIDTH - 1) + ("█" if bar["status"] == "completed" else "░") * length
    return f"{name:<18}|{drawn[:BAR_WIDTH]:<{BAR_WIDTH}}| {bar['durationMs']:>5} ms  {bar['status']}"


def team(address: str, state: Path, owner: Client, organization: str, number: int) -> None:
    """Invite a second person, change what they may do, and show that it is held."""
    email = f"colleague-{int(time.time())}@example.com"
    say(f"{number}. invite {email} as a member")
    invitation = owner.call("POST", f"{organization}/invitations", {"email": email, "role": "member"})
    say(f"   sent {invitation['sentAt']}, good until {invitation['expiresAt']}")

    say(f"{number + 1}. register as {email}, and accept with the token from the mail")
    registered = register(Client(address), email, "Correct-Horse-8-Battery")
    colleague = Client(address).signed_in(registered["accessToken"])
    token = mailed_token(state, email, "invites you")
    joined = colleague.call("POST", "/v1/invitations/accept", {"token": token})
    say(f"   joined {joined['name']!r} as {joined['role']}")
    tokens = colleague.call("POST", f"{organization}/switch")
    colleague = Client(address).signed_in(tokens["accessToken"])
    made = colleague.call("POST", "/v1/agents", {"name": "Colleague's helper"})
    say(f"   creates the agent {made['name']!r}")

    say(f"{number + 2}. the owner makes the colleague a viewer")
    user = registered["user"]["id"]
    changed = owner.call("PATCH", f"{organization}/members/{user}", {"role": "viewer"})
    say(f"   now {changed['role']}, who may {', '.join(changed['effectivePermissions'][:3])} …")

    say(f"{number + 3}. with the next token the colleague reads, and writes no more")
    tokens = colleague.call("POST", "/v1/auth/refresh", {"refreshToken": tokens["refreshToken"]})
    colleague = Client(address).signed_in(tokens["accessToken"])
    say(f"   reads {len(colleague.call('GET', '/v1/agents')['items'])} agents")
    try:
        colleague.call("POST", "/v1/agents", {"name": "One more"})
    except Refused as refused:
        problem = json.loads(str(refused).partition(" 403 ")[2])
        say(f"   POST /v1/agents: {problem['status']} {problem['code']}: {problem['detail']}")
    else:
        sys.exit("a viewer wrote")


def show(run: dict[str, Any]) -> None:
    """Print a run's steps and its answer."""
    for step in run["steps"]:
        what = step["name"] if step["type"] == "model" else f"{step['name']}({json.dumps(step['arguments'])})"
        found = step["error"] or (
            json.dumps(step["result"], ensure_ascii=False) if step["type"] == "tool" else ""
        )
        say(f"   step {step['number']}  {step['type']:<6}{step['durationMs']:>5} ms  {what}  {found[:120]}")
    say(f"   {run['status']}: {run['output'] or run['error']}")


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


@contextlib.contextmanager
def serve_weather() -> Iterator[str]:
    """Serve the weather; gives the tool's endpoint."""
    server = HTTPServer(("127.0.0.1", WEATHER_PORT), Weather)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{WEATHER_PORT}/weather"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def host() -> Iterator[tuple[str, Path]]:
    """A local host of our own; gives its address and where its mailbox is."""
    with tempfile.TemporaryDirectory(prefix="weconnect-") as state:
        more = {"PORT": "0", "STATE_DIR": state, "OUTBOUND_ALLOWED_HOSTS": f"127.0.0.1:{WEATHER_PORT}"}
        log = (Path(state) / "host.out").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.local"], env=os.environ | more, stdout=log, stderr=log
        )
        try:
            yield _address(process, Path(state)), Path(state)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            log.close()


def _address(process: subprocess.Popen[bytes], state: Path) -> str:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            return f"http://127.0.0.1:{json.loads((state / 'host.json').read_text())['port']}"
        time.sleep(0.1)
    sys.exit(f"the host did not start:\n{(state / 'host.out').read_text()}")


def main() -> None:
    """Run the tour against the address given, or a host of its own."""
    with serve_weather() as weather, contextlib.ExitStack() as stack:
        if len(sys.argv) > 1:
            address, state = sys.argv[1], Path(os.environ.get("STATE_DIR", ".local"))
        else:
            address, state = stack.enter_context(host())
        tour(address.rstrip("/"), weather, state)


if __name__ == "__main__":
    main()
