"""The local host: API Gateway, Lambda, durable executions and event sources on 127.0.0.1, from the SAM template."""
