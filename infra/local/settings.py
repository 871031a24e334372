"""Settings of the local host, from the environment."""

import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local.request_checks import Credentials

ACCOUNT = "000000000000"
REGION = "us-east-1"
OLLAMA_URL = "http://127.0.0.1:11434"
STACK = "weconnect"
CODE_ROOT = Path(__file__).resolve().parents[2]
LOCAL_PARAMETERS = {
    "Stage": "local",
    "DefaultPlan": "enterprise",
    "MailFrom": "weconnect@localhost",
    "MailNodes": "on",
    "OperatorEmails": "demo@example.com",
    "RegistrationsPerMinute": "1000000",
    "OperatorModels": "openai:*,anthropic:*,google:*,bedrock:*",
    "MaxWaitingCallers": "40",  # of the 48 workers for requests that wait
    "Embedder": "bundled",
    "CodeVpcId": "local",
    "CodeSubnetIds": "local",
}
ENVIRONMENT_PARAMETERS = {"AppUrl", "BcryptCost", "DefaultPlan", "OperatorEmails", "OutboundAllowedHosts"}
ENVIRONMENT_PARAMETERS |= {"RegistrationsPerMinute", "Embedder", "MailNodes", "OperatorModels"}
ENVIRONMENT_PARAMETERS |= {"DnsResolvers", "MaxWaitingCallers"}


@dataclass(frozen=True)
class HostSettings:
    """The port, the project to serve, the state directory, the template's parameters, and this start's credentials."""

    port: int
    project: Path
    state: Path
    ministack_python: Path
    demo: bool  # create the demo data at the first start
    parameters: Mapping[str, str]  # the template's parameters that differ from their defaults
    credentials: Credentials  # of all requests to the services of this host

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get_parameter(self, name: str) -> str | None:
        """Return the local value of a template parameter, or None for its default."""
        return self.parameters.get(name)


def read_settings(environ: Mapping[str, str]) -> HostSettings:
    """Read PORT, STATE_DIR, MINISTACK_PYTHON, WECONNECT_PROJECT (the project to serve) and WECONNECT_DEMO=no.

    The secret key of the credentials is a new one each time.
    """
    python = (
        CODE_ROOT / ".venv-ministack" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    )
    project = Path(environ.get("WECONNECT_PROJECT", CODE_ROOT)).resolve()
    return HostSettings(
        port=int(environ.get("PORT", "3000")),
        project=project,
        state=Path(environ.get("STATE_DIR", ".local")).resolve(),
        ministack_python=Path(environ.get("MINISTACK_PYTHON", python)),
        demo=project == CODE_ROOT and environ.get("WECONNECT_DEMO", "yes") != "no",
        parameters=_read_parameters(environ),
        credentials=Credentials("local", secrets.token_urlsafe(32)),
    )


def _read_parameters(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the local values of parameters; BCRYPT_COST in the environment sets BcryptCost, for example."""
    names = {name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() for name in ENVIRONMENT_PARAMETERS}
    overrides = {name: environ[variable] for name, variable in names.items() if variable in environ}
    ollama = environ.get("OLLAMA_URL", OLLAMA_URL).partition("://")[2].rstrip("/")
    hosts = ",".join(filter(None, [overrides.get("OutboundAllowedHosts"), ollama]))
    return {**LOCAL_PARAMETERS, **overrides, "OutboundAllowedHosts": hosts}
