"""Settings of the local host, from the environment."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "000000000000"
REGION = "us-east-1"
STACK = "weconnect"
CODE_ROOT = Path(__file__).resolve().parents[2]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
LOCAL_PARAMETERS = {
    "Stage": "local",
    "DefaultPlan": "enterprise",
    "MailFrom": "weconnect@localhost",
    "OperatorEmails": "demo@example.com",
    "RegistrationsPerMinute": "1000000",
}
ENVIRONMENT_PARAMETERS = {"AppUrl", "BcryptCost", "DefaultPlan", "OperatorEmails", "OutboundAllowedHosts"}
ENVIRONMENT_PARAMETERS |= {"RegistrationsPerMinute"}


@dataclass(frozen=True)
class Options:
    """Where the host listens, what it serves and where it keeps its state."""

    port: int
    project: Path
    state: Path
    ministack_python: Path
    parameters: Mapping[str, str]  # the template's parameters that differ from their defaults

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def read_options(environ: Mapping[str, str]) -> Options:
    """Read PORT, STATE_DIR, WECONNECT_PROJECT (the project to serve) and MINISTACK_PYTHON."""
    python = (
        CODE_ROOT / ".venv-ministack" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    )
    return Options(
        port=int(environ.get("PORT", "3000")),
        project=Path(environ.get("WECONNECT_PROJECT", CODE_ROOT)).resolve(),
        state=Path(environ.get("STATE_DIR", ".local")).resolve(),
        ministack_python=Path(environ.get("MINISTACK_PYTHON", python)),
        parameters=LOCAL_PARAMETERS,
    )


def parameter_from_environment(name: str, environ: Mapping[str, str]) -> str | None:
    """Return BCRYPT_COST for BcryptCost and so on, for those parameters that the environment may set."""
    if name not in ENVIRONMENT_PARAMETERS:
        return None
    return environ.get(re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper())
