"""How isolated namespaces are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ioc.replaying.isolated_namespaces import IsolatedNamespace, table

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def test_each_has_a_line_and_what_is_not_known_a_dash() -> None:
    found = [
        IsolatedNamespace("training", NOW - timedelta(minutes=5), 1_200_000, 17_280),
        IsolatedNamespace("old", NOW - timedelta(days=9), 5_000_000_000, None),
        IsolatedNamespace("topics_only", None, None, 3),
        IsolatedNamespace("yesterday", NOW - timedelta(hours=30), 0, 0),
    ]
    assert [line.split() for line in table(found, NOW).splitlines()[1:]] == [
        ["training", "5", "min", "1.2", "MB", "17,280"],
        ["old", "9", "d", "5,000.0", "MB", "-"],
        ["topics_only", "-", "-", "3"],
        ["yesterday", "30", "h", "0.0", "MB", "0"],
    ]
    assert table([], NOW) == "no isolated namespaces"
