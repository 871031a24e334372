"""The only reader of the environment. template.yaml's `Globals.Function.Environment` names the same variables."""

import os
from dataclasses import dataclass
from functools import cached_property


def _env(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def _list(name: str) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in _env(name).split(",") if part.strip())


@dataclass(frozen=True)
class Settings:
    """The settings of a deployment; `settings` is the only instance."""

    stage: str = _env("STAGE", "dev")
    region: str = _env("AWS_REGION", _env("AWS_DEFAULT_REGION", "us-east-1"))
    endpoint_url: str | None = _env("AWS_ENDPOINT_URL") or None
    table_name: str = _env("TABLE_NAME", "weconnect")
    bucket_name: str = _env("BUCKET_NAME", "weconnect")
    key_arn: str = _env("KEY_ARN")
    signing_secret_arn: str = _env("SIGNING_SECRET_ARN")
    model_keys_arn: str = _env("MODEL_KEYS_ARN")
    stripe_keys_arn: str = _env("STRIPE_KEYS_ARN")
    url_parameter: str = _env("URL_PARAMETER")
    run_agent_function: str = _env("RUN_AGENT_FUNCTION", "run-agent:live")
    run_workflow_function: str = _env("RUN_WORKFLOW_FUNCTION", "run-workflow:live")
    run_code_function: str = _env("RUN_CODE_FUNCTION")
    purge_queue_url: str = _env("PURGE_QUEUE_URL")
    jobs_queue_url: str = _env("JOBS_QUEUE_URL")
    event_queue_url: str = _env("EVENT_QUEUE_URL")
    operator_emails: frozenset[str] = _list("OPERATOR_EMAILS")
    default_plan: str = _env("DEFAULT_PLAN", "free")
    mail_from: str = _env("MAIL_FROM")
    mail_nodes: str = _env("MAIL_NODES", "off")
    tenant_mail_configuration_set: str = _env("TENANT_MAIL_CONFIGURATION_SET")
    app_url: str = _env("APP_URL")
    nodes_aws_endpoint_url: str | None = _env("NODES_AWS_ENDPOINT_URL") or None
    outbound_allowed_hosts: frozenset[str] = _list("OUTBOUND_ALLOWED_HOSTS")
    dns_resolvers: frozenset[str] = _list("DNS_RESOLVERS")
    registrations_per_minute: int = int(_env("REGISTRATIONS_PER_MINUTE", "5"))
    organizations_per_user: int = int(_env("ORGANIZATIONS_PER_USER", "10"))
    max_waiting_callers: int = int(_env("MAX_WAITING_CALLERS", "200"))
    bcrypt_cost: int = int(_env("BCRYPT_COST", "12"))
    operator_models: frozenset[str] = _list("OPERATOR_MODELS")
    embedder: str = _env("EMBEDDER", "none")
    ollama_url: str = _env("OLLAMA_URL", "http://127.0.0.1:11434")

    # Lambda's Python finds its libraries by it, so a child process with an otherwise empty environment needs it.
    library_path: str = _env("LD_LIBRARY_PATH")

    # Lambda sets it where it starts a function; it is empty on a local host, and where a program imports a handler.
    initialization_type: str = _env("AWS_LAMBDA_INITIALIZATION_TYPE")

    kill_at: str = _env("WECONNECT_KILL_AT")

    @cached_property
    def is_local(self) -> bool:
        """Return whether this is the local host and not AWS."""
        return self.stage == "local"


settings = Settings()


def aws_credentials() -> tuple[str, str, str]:
    """Return access key id, secret key and session token (or ""); read each time, because Lambda renews them."""
    return _env("AWS_ACCESS_KEY_ID"), _env("AWS_SECRET_ACCESS_KEY"), _env("AWS_SESSION_TOKEN")
