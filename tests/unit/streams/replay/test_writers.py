"""The name says the form."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.replay.readers import open_recording
from streams.replay.recording import RecordingInfo
from streams.replay.writers import ENDINGS, save_recording
from streams.schema.errors import ConfigurationInvalid
from tests.unit.streams.replay.examples import observation, tick

INFO = RecordingInfo("thử", "test", "a test", 7)


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_form_is_written_and_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"r{ending}"
    written = save_recording(path, [tick(0), observation(1)], INFO)
    assert (written.events, written.title_vi) == (2, "thử")
    assert [entry.logged_us for entry in open_recording(path)] == [tick(0).logged_us, observation(1).logged_us]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"one of \.mcap"):
        save_recording(tmp_path / "r.txt", [tick(0)], INFO)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    for ending in ENDINGS:
        with pytest.raises(ConfigurationInvalid, match="cannot write it: No such file or directory"):
            save_recording(tmp_path / "none" / f"r{ending}", [tick(0)], INFO)
