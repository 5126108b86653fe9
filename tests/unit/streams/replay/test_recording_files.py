"""Files of a recorder: split, named when whole, and after a crash at any moment the same as without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.replay.mcap_file import write_mcap
from streams.replay.readers import open_recording
from streams.replay.recording import Entry, RecordingInfo
from streams.replay.recording_files import Plan, RecordingFiles, existing, refuse_existing, resume_files
from streams.schema.errors import ConfigurationInvalid, RetryLater
from tests.unit.streams.replay.examples import observation, reading, tick, verbatim

PLACE = "observations.traffic/0"
INFO = RecordingInfo("thử", "test", "a test")
LOG: list[Entry] = [
    entry for at in range(40) for entry in (reading(at - 1, 2), observation(at), verbatim(at + 0.9), tick(at + 1))
]


@pytest.fixture(autouse=True, scope="module")
def fast_disk() -> Iterator[None]:
    """A test has no power cut to fear."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.replay.mcap_file.os.fsync", lambda _: None)
        yield


def plan(**changed: object) -> Plan:
    return Plan(**({"namespace": "ioc", "topics": ("observations.traffic",), "start": {PLACE: 0}} | changed))  # type: ignore[arg-type]


def feed(files: RecordingFiles, until: int = len(LOG)) -> None:
    """What a recorder does: on from the position, entry by entry."""
    for offset in range(files.position[PLACE], until):
        files.add(LOG[offset], {PLACE: offset + 1})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def entries(folder: Path) -> list[int]:
    return [entry.logged_us for path in sorted(folder.iterdir()) for entry in open_recording(path)]


PLANS = [plan(chunk_bytes=900), plan(chunk_bytes=900, split_bytes=2_500), plan(chunk_bytes=900, split_us=10_000_000)]


@pytest.mark.parametrize("how", PLANS, ids=["whole", "split by size", "split by time"])
def test_the_files_are_named_when_they_are_whole(tmp_path: Path, how: Plan) -> None:
    files = RecordingFiles(tmp_path / "r.mcap", INFO, how)
    feed(files)
    assert [path for path in tmp_path.iterdir() if path.suffix == ".part"]
    paths = files.finish()
    assert sorted(tmp_path.iterdir()) == paths == existing(tmp_path / "r.mcap")
    assert [path.name for path in paths][:2] == (["r.p0001.mcap", "r.p0002.mcap"] if how.is_split else ["r.mcap"])
    assert entries(tmp_path) == [entry.logged_us for entry in LOG]
    assert files.bytes_written == sum(path.stat().st_size for path in paths)
    if how.split_us:
        assert len(paths) == 5


@pytest.mark.parametrize("how", PLANS, ids=["whole", "split by size", "split by time"])
@settings(max_examples=25, deadline=None)
@given(crashes=st.lists(st.tuples(st.integers(1, len(LOG)), st.integers(0, 1500)), min_size=1, max_size=2))
def test_after_a_crash_at_any_moment_the_files_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, how: Plan, crashes: list[tuple[int, int]]
) -> None:
    whole, crashed = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("crashed")
    files = RecordingFiles(whole / "r.mcap", INFO, how)
    feed(files)
    files.finish()
    for until, lost_bytes in crashes:
        if not list(crashed.iterdir()):
            files = RecordingFiles(crashed / "r.mcap", INFO, how)
        else:
            files, held = resume_files(crashed / "r.mcap")
            assert len(list(held)) <= len(LOG)
        feed(files, until)
        files.close()
        for part in crashed.glob("*.part"):  # the disk has not everything that was written
            head = part.read_bytes().index(b"ioc-position") + 100
            part.write_bytes(part.read_bytes()[: max(head, part.stat().st_size - lost_bytes)])
    files, held = resume_files(crashed / "r.mcap")
    known = [entry.logged_us for entry in held]
    assert set(known) <= {entry.logged_us for entry in LOG}
    feed(files)
    files.finish()
    assert contents(crashed) == contents(whole)


def test_nothing_recorded_leaves_nothing(tmp_path: Path) -> None:
    files = RecordingFiles(tmp_path / "r.mcap", INFO, plan())
    assert files.finish() == [] and list(tmp_path.iterdir()) == []


def test_an_unfinished_file_without_an_entry_goes_on(tmp_path: Path) -> None:
    files = RecordingFiles(tmp_path / "r.mcap", INFO, plan())
    feed(files, 1)
    files.close()
    files, held = resume_files(tmp_path / "r.mcap")
    assert list(held) == [] and files.position == {PLACE: 0}
    assert files.finish() == [] and list(tmp_path.iterdir()) == []


def test_what_exists_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "r.mcap"
    refuse_existing(out, force=False)
    other = [tmp_path / name for name in ("r-2026.mcap", "r2.mcap", "r.mcap.md", "r.p1.mcap")]
    own = [tmp_path / name for name in ("r.mcap", "r.mcap.part", "r.p0001.mcap", "r.p0002.mcap.part")]
    for path in own + other:
        path.touch()
    with pytest.raises(ConfigurationInvalid, match="exists already; --force"):
        refuse_existing(out, force=False)
    refuse_existing(out, force=True)
    assert sorted(tmp_path.iterdir()) == sorted(other)


def test_nothing_to_resume_is_told(tmp_path: Path) -> None:
    out = tmp_path / "r.mcap"
    with pytest.raises(ConfigurationInvalid, match=r"there is no r\.mcap\.part"):
        resume_files(out)
    write_mcap(out, [tick(0)], INFO)
    with pytest.raises(ConfigurationInvalid, match="it is complete"):
        resume_files(out)
    out.rename(out.with_name("r.mcap.part"))
    with pytest.raises(ConfigurationInvalid, match="not written by `ioc record`"):
        resume_files(out)
    with pytest.raises(ConfigurationInvalid, match="no such folder"):
        resume_files(tmp_path / "none" / "r.mcap")


@pytest.mark.parametrize(
    ("fault", "kind", "told"),
    [
        (OSError(28, "No space left on device"), RetryLater, "make room and go on with --resume"),
        (OSError(13, "Permission denied"), ConfigurationInvalid, "cannot write it: Permission denied"),
    ],
)
def test_a_disk_that_does_not_take_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: OSError, kind: type[Exception], told: str
) -> None:
    def refuse(*_: object) -> None:
        raise fault

    files = RecordingFiles(tmp_path / "r.mcap", INFO, plan())
    monkeypatch.setattr("streams.replay.mcap_file.os.fsync", refuse)
    with pytest.raises(kind, match=told):
        feed(files)
