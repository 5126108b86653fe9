"""The commands as a person runs them, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ioc.cli import main
from streams.replay.mcap_file import write_mcap
from streams.replay.readers import open_recording
from streams.replay.recording import Entry, Record, RecordingInfo, Verbatim
from tests.unit.streams.replay.examples import observation, reading, tick, verbatim

INFO = RecordingInfo("thử", "test", "a test", 7)
ENTRIES: list[Entry] = [tick(0), observation(0), reading(4), verbatim(6, "{ \u1ec7", "k\n"), tick(10)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_mcap(tmp_path / "r.mcap", ENTRIES, INFO)
    return tmp_path / "r.mcap"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["recording", *map(str, arguments)])


def bare(path: Path) -> list[Any]:
    return [e if isinstance(e, Verbatim) else Record(e.logged_us, e.event) for e in open_recording(path)]


def test_info_says_what_is_in_it(file: Path) -> None:
    said = json.loads(run("info", file, "--json").stdout)
    assert (said["title_vi"], said["seed"], said["entries"], said["chunks"], said["seconds"]) == ("thử", 7, 5, 1, 10.0)
    assert said["kinds"] == {"camera": 1, "tick": 2, "traffic": 1, "verbatim": 1}
    assert said["devices"] == {"cam-1": 1, "ql5": 1, "k\n": 1}
    assert said["file_bytes"] == file.stat().st_size
    vietnamese, english = (run("info", file, "--lang", lang).stdout for lang in ("vi", "en"))
    assert vietnamese.splitlines()[0] == "thử" and "CRC đều đúng" in vietnamese
    assert english.splitlines()[0] == "test" and "all CRCs fit" in english and r"'k\n' 1" in english


def test_info_finds_damage(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:-50] + b"\xff" + whole[-49:])
    found = run("info", file)
    assert found.exit_code == 2 and "damaged" in found.stderr


@pytest.mark.parametrize("name", ["o.mcap", "o.jsonl", "o.jsonl.gz"])
def test_convert_keeps_everything(file: Path, name: str) -> None:
    out, back = file.with_name(name), file.with_name("back.mcap")
    assert run("convert", file, out).exit_code == 0
    assert bare(out) == ENTRIES and open_recording(out).info == open_recording(file).info
    assert run("convert", out, back).exit_code == 0
    assert back.read_bytes() == file.read_bytes()


def test_convert_to_csv_says_what_it_leaves_out(file: Path) -> None:
    out = file.with_name("o.csv")
    found = run("convert", file, out)
    assert found.exit_code == 1 and "1 entries cannot be rows" in found.stderr
    assert bare(out) == [entry for entry in ENTRIES if isinstance(entry, Record)]
    assert run("convert", file, out, "--force", "--lossy").exit_code == 0
    assert run("convert", out, file.with_name("back.mcap")).exit_code == 0
    assert bare(file.with_name("back.mcap")) == bare(out)


def test_convert_salvages_what_is_whole(file: Path) -> None:
    out = file.with_name("o.mcap")
    file.write_bytes(file.read_bytes()[:-50])
    assert "recording convert --salvage" in run("convert", file, out).stderr
    assert run("convert", file, out, "--salvage").exit_code == 0
    assert bare(out) == ENTRIES


def test_cut_and_merge(file: Path) -> None:
    first, rest, both = (file.with_name(name) for name in ("a.mcap", "b.jsonl", "c.mcap"))
    assert run("cut", file, first, "--to", "2026-03-02T08:00:05+07:00").exit_code == 0
    assert run("cut", file, rest, "--from", "2026-03-02T01:00:05Z").exit_code == 0
    assert (len(bare(first)), len(bare(rest))) == (2, 3)
    assert run("merge", both, rest, first).exit_code == 0
    assert bare(both) == ENTRIES and open_recording(both).info.made_by == "ioc recording merge"
    assert run("cut", file, first, "--force", "--kind", "camera", "--device", "cam-1").exit_code == 0
    assert bare(first) == [observation(0)]
    nothing = run("cut", file, file.with_name("none.mcap"), "--device", "cam-9", "--kind", "camera")
    assert nothing.exit_code == 1 and "nothing would be in it" in nothing.stderr


def test_anonymise_leaves_no_name(file: Path) -> None:
    out, again, key = file.with_name("a.jsonl"), file.with_name("b.jsonl"), file.with_name("key")
    found = run("anonymise", file, out, "--shift-weeks", "-1")
    assert found.exit_code == 0 and "1 messages that are no events were left out" in found.stdout
    for name in ("cam-1", "ql5", "door", "z0", "s0", "thử", "a test"):
        assert f'"{name}"' not in out.read_text()
    key.write_bytes(b"short")
    assert "at least 32 random bytes" in run("anonymise", file, out, "--force", "--key-file", key).stderr
    key.write_bytes(b"k" * 32)
    for path in (out, again):
        assert run("anonymise", file, path, "--force", "--key-file", key).exit_code == 0
    assert out.read_bytes() == again.read_bytes()


def test_what_exists_is_not_overwritten(file: Path) -> None:
    out = file.with_name("o.mcap")
    out.touch()
    assert "exists already; --force" in run("convert", file, out).stderr
    assert "it is what is read" in run("convert", file, file, "--force").stderr
    assert "the name says the form" in run("convert", file, file.with_name("o.txt")).stderr
