"""docs/providers.md says what is sent."""

import pytest

from tests.agents import provider_table


@pytest.mark.usefixtures("serve")
def test_the_table_is_what_the_adapters_send() -> None:
    document = provider_table.DOCUMENT.read_text()
    made = provider_table.table()
    assert provider_table.written(document, made) == document, "run python -m tests.agents.provider_table"
    for field in provider_table.fields():
        assert f"\n| {field} | " in made, field


def test_a_stale_table_would_be_seen() -> None:
    document = provider_table.DOCUMENT.read_text()
    stale = document.replace("`max_completion_tokens`", "`max_tokens`")
    assert stale != document
    fresh = document.partition(provider_table.BEGIN)[2].partition(provider_table.END)[0].strip("\n")
    assert provider_table.written(stale, fresh) == document


def test_the_readme_leads_to_it() -> None:
    readme = (provider_table.DOCUMENT.parents[1] / "README.md").read_text()
    assert "(docs/providers.md)" in readme
