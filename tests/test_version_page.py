"""The list of versions: which of them scores are made with, and which do not fit the config."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from flows.version_history import Logged
from flows.version_page import list_table, listed
from tests.scores import Shop, version_of


def test_a_version_with_other_terms_than_the_config_is_in_force_nowhere(tmp_path: Path) -> None:
    config = Shop(tmp_path).config()
    model = config.models[0]
    fit = version_of(model, intercept=0.5)
    other = replace(fit, terms=replace(fit.terms, features=("orders_total",)))
    versions = [
        Logged(model="buy", name=name, log_ms=0, data=b"", rollback=False, version=version)
        for name, version in (("a" * 16, fit), ("b" * 16, other), ("c" * 16, None))
    ]
    kept = {("buy", name * 16): [0, 1] for name in "abc"}
    lines = listed(versions, kept, {}, {"buy": model.recipe.program})
    assert [(line.fits, line.in_force) for line in lines] == [
        (True, [0, 1]),
        (False, []),
        (False, []),
    ]
    columns = list_table(lines, partitions=2).columns
    assert [*columns[4].cells] == ["all", "", ""]
    assert [*columns[5].cells] == ["", "other terms", ""]
