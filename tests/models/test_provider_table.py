"""The table in docs/providers.md agrees with what is sent."""

import pytest

from tests.models import provider_table


@pytest.mark.usefixtures("start_server")
def test_the_table_is_what_the_adapters_send() -> None:
    document = provider_table.DOCUMENT.read_text()
    table = provider_table.table()
    assert provider_table.replace_table(document, table) == document, (
        "run python -m tests.models.provider_table"
    )
    for field in provider_table.fields():
        assert f"\n| {field} | " in table, field


def test_a_stale_table_is_detected() -> None:
    document = provider_table.DOCUMENT.read_text()
    stale = document.replace("`max_completion_tokens`", "`max_tokens`")
    assert stale != document
    fresh = document.partition(provider_table.BEGIN)[2].partition(provider_table.END)[0].strip("\n")
    assert provider_table.replace_table(stale, fresh) == document


def test_the_readme_links_to_the_document() -> None:
    readme = (provider_table.DOCUMENT.parents[1] / "README.md").read_text()
    assert "(docs/providers.md)" in readme
