"""Import handlers, each in a process of its own, as Lambda does; print the errors as JSON by handler.

Usage: python import_handlers.py HANDLER…, with the package's folders as PYTHONPATH. Third-party modules are imported
before forking, which is their cost once and not once for each handler.
"""

import contextlib
import importlib
import json
import os
import sys
import traceback

SHARED = (
    "boto3",
    "pydantic",
    "pynamodb.models",
    "aws_lambda_powertools.event_handler.api_gateway",
    "aws_lambda_powertools.event_handler.openapi.models",
    "jsonatapy",
)


def find_error(handler: str) -> str:
    """Return the traceback of importing a handler in a forked process; "" when it is a function."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            module, _, attribute = handler.rpartition(".")
            assert callable(getattr(importlib.import_module(module), attribute))
        except BaseException:
            os.write(writer, traceback.format_exc()[-4000:].encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        error = stream.read().decode()
    _, status = os.wait()
    return error or ("" if status == 0 else f"ended with status {status}")


for name in SHARED:
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(name)
errors = {handler: error for handler in sys.argv[1:] if (error := find_error(handler))}
print(json.dumps(errors))
