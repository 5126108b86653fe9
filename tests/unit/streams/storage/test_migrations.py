"""Which migration files belong where, and that they hold what the tables say."""

from __future__ import annotations

import pytest

from streams.schema.tables import TABLES
from streams.storage.migrate import Edition, all_migrations, migrations


def test_names_are_unique_numbered_and_known() -> None:
    found = all_migrations()
    assert [migration.name for migration in found] == sorted({migration.name for migration in found})
    for migration in found:
        assert migration.name[:4].isdigit()
        assert migration.belongs <= {"apache", "community", "live"}


@pytest.mark.parametrize("edition", ["apache", "community"])
def test_an_isolated_run_has_no_background_jobs(edition: Edition) -> None:
    live = {migration.name for migration in migrations(edition, "ioc")}
    isolated = {migration.name for migration in migrations(edition, "replay_1")}
    assert isolated <= live
    assert not [m.name for m in migrations(edition, "replay_1") if "_policy(" in m.text]


def test_only_files_of_the_community_edition_use_what_only_it_has() -> None:
    for migration in all_migrations():
        if "community" not in migration.belongs:
            for word in ("timescaledb.continuous", "_policy(", "timescaledb.compress", "add_job"):
                assert word not in migration.text, migration.name


def test_every_table_has_a_retention() -> None:
    (first,) = [migration for migration in all_migrations() if migration.name == "0001_tables.sql"]
    retention = first.text.partition("INSERT INTO retention")[2]
    assert [table.name for table in TABLES if f"('{table.name}', '" not in retention] == []
