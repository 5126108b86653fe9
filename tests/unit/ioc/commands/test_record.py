"""What a wrong call of `ioc record` is told, before there is a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ioc.cli import main


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["r.jsonl"], "ends with .mcap"),
        (["r.mcap", "--follow", "--to", "now"], "--to has an end, --follow has none"),
        (["r.mcap", "--for", "5", "--to", "now"], "--to has an end, --follow has none"),
        (["r.mcap", "--from", "-1m", "--to", "-2m"], "--from is not before --to"),
        (["r.mcap", "--resume", "--topic", "camera"], "leave topics out"),
        (["r.mcap", "--from", "2026-03-02T08:00"], "with its time zone"),
        (["r.mcap", "--resume"], "nothing to resume"),
        (["none/r.mcap"], "no such folder"),
    ],
)
def test_a_wrong_call_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str) -> None:
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(main, ["record", *arguments])
    assert found.exit_code == 2 and told in found.stderr
    assert list(tmp_path.iterdir()) == []
