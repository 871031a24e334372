"""The routes of the service itself in the tests that call every route."""

from tests.api.module_matrix import ExampleRequest, ModuleMatrix

MATRIX = ModuleMatrix(
    requests={
        "get_docs": ExampleRequest(is_public=True),
        "get_health": ExampleRequest(is_public=True, takes_no_input=True),
        "get_openapi": ExampleRequest(is_public=True),
        "get_readiness": ExampleRequest(is_public=True, takes_no_input=True),
    },
)
