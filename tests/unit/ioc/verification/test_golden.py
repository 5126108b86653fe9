from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ioc.verification import golden
from ioc.verification.case import find_case
from ioc.verification.difference import Differences, RowDifference, differences, report
from ioc.verification.golden import Outcome, outcome
from ioc.verification.origin import Origin, origins, postgresql_instant
from ioc.verification.run import closed
from streams.core.alarm import AlarmRule, AlarmTimer
from streams.replay.recording import Record, Verbatim
from streams.schema.errors import ConfigurationInvalid
from streams.schema.events import Alarm
from streams.schema.instants import microseconds
from streams.schema.tables import CAMERA_HEALTH, DEAD_LETTER, TABLES, ZONE_OCCUPANCY_10S
from tests.unit.streams.core.sites import SITE
from tests.unit.streams.core.test_partition import EPOCH_S, NOW_US, observation, tick

S = 1_000_000


def exports(**changed: str) -> dict[str, bytes]:
    """Empty tables but for the lines given by table, without their heading."""
    return {table.name: f"{','.join(table.columns)}\n{changed.get(table.name, '')}".encode() for table in TABLES}


HEALTH = "cam,2026-01-01 00:00:00+00,covered,ok\n"


def letter(offset: int, namespace: str = "run_1") -> str:
    return f"{namespace}.observations.camera,0,{offset},2026-01-01 00:00:00+00,empty,,no value,0,0,abc,,cam\n"


def alarm(raised_s: int) -> Alarm:
    rule = AlarmRule("road-congested", "road", "s1", "low", 0.0, 0.0, "vi", "en")
    told = AlarmTimer().step(rule, raised_s * S, raised_s * S, True)
    assert told
    return told


def test_what_is_written_is_read_again_and_old_files_go(tmp_path: Path) -> None:
    found = outcome(exports(camera_health=HEALTH, dead_letter=letter(3) + letter(9)), [alarm(5), alarm(5)], "run_1")
    (tmp_path / "forgotten_table.csv").write_text("a\n")
    golden.write(found, tmp_path)
    assert golden.read(tmp_path) == found
    assert not (tmp_path / "forgotten_table.csv").exists()
    assert found.total() == 4


def test_namespace_offsets_and_repeated_decisions_do_not_count() -> None:
    one = outcome(exports(dead_letter=letter(3)), [alarm(9), alarm(5)], "run_1")
    other = outcome(exports(dead_letter=letter(8, "run_2")), [alarm(5), alarm(9), alarm(9)], "run_2")
    assert not differences(one, other)


def test_a_letter_more_or_less_counts() -> None:
    one = outcome(exports(dead_letter=letter(3)), [], "run_1")
    two = outcome(exports(dead_letter=letter(3) + letter(4)), [], "run_1")
    (found,) = differences(one, two).rows
    assert (found.table, found.golden) == (DEAD_LETTER, None)


def test_a_missing_folder_or_table_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="--accept"):
        golden.read(tmp_path / "nothing")
    with pytest.raises(ConfigurationInvalid, match=r"\.csv"):
        golden.read(tmp_path)


def test_the_report_names_row_column_and_entry() -> None:
    before = outcome(exports(camera_health=HEALTH), [], "run_1")
    after = outcome(exports(camera_health=HEALTH.replace("covered", "frozen")), [alarm(5)], "run_1")
    (key,) = before.rows["camera_health"]
    origin = {CAMERA_HEALTH.name: {key: Origin(17, "camera-observation.v1 of cam")}}
    told = report(differences(before, after), lambda: origin)
    assert "camera_health: 1 rows differ, 0 missing, 0 too many" in told
    assert "camera=cam observed_at=2026-01-01 00:00:00+00" in told
    assert "health: golden 'covered', now 'frozen'" in told
    assert "entry 17" in told
    assert "+ " in told and "road-congested" in told


def test_missing_and_extra_rows_are_told_and_long_lists_are_cut() -> None:
    row = dict.fromkeys(CAMERA_HEALTH.columns, "x")
    missing = [RowDifference(CAMERA_HEALTH, (f"cam-{n:02}", "t"), row, None) for n in range(12)]
    extra = [RowDifference(ZONE_OCCUPANCY_10S, ("cam", "zone", "t"), None, row)]
    told = report(Differences([*missing, *extra], []), dict)
    assert "0 rows differ, 12 missing, 0 too many" in told and "and 2 more" in told
    assert "too many: camera=cam zone=zone window_start=t" in told
    assert report(Differences([], []), dict) == ""


def test_the_entry_that_made_a_row_is_found() -> None:
    entries = [Record(microseconds(event.received_at), event) for event in (observation(s, 3) for s in range(1, 12))]
    poison = Verbatim((EPOCH_S + 11) * S, b"{", "observations.camera", "cam")
    late = Record((EPOCH_S + 100) * S, observation(5, 9))
    end = Record((EPOCH_S + 90) * S, tick(90))
    found = origins([*entries, poison, end, late], SITE, store_readings=False)
    window = ("cam", "waiting", postgresql_instant(EPOCH_S * S))
    assert found["zone_occupancy_10s"][window].number == 13
    assert "tick" in found["zone_occupancy_10s"][window].what
    (refused,) = found["dead_letter"].values()
    assert refused.number == 12


def test_instants_are_written_as_postgresql_does() -> None:
    at = microseconds(observation(0, 0).observed_at)
    assert postgresql_instant(at) == f"{observation(0, 0).observed_at:%Y-%m-%d %H:%M:%S}+00"
    assert postgresql_instant(at + 250_000).endswith(".25+00")


def test_a_recording_is_closed_by_one_tick() -> None:
    entries = [Record(NOW_US, tick(1))]
    *same, last = closed(entries)
    assert same == entries
    assert last.logged_us - NOW_US >= timedelta(minutes=30) // timedelta(microseconds=1)
    assert list(closed([])) == []


def test_a_case_is_a_folder_or_a_recording(tmp_path: Path) -> None:
    recording = tmp_path / "recording.jsonl"
    recording.write_text('{"recording":"ioc-recording.v1"}\n')
    default = tmp_path / "default.toml"
    case = find_case(tmp_path, None, default)
    assert (case.file, case.site_file, case.golden) == (recording, default, tmp_path / "golden")
    (tmp_path / "site.toml").touch()
    assert find_case(tmp_path, None, default).site_file == tmp_path / "site.toml"
    case = find_case(recording, default, tmp_path / "other.toml")
    assert (case.site_file, case.golden) == (default, tmp_path / "recording.jsonl.golden")
    (tmp_path / "recording.mcap").touch()
    with pytest.raises(ConfigurationInvalid, match="one file"):
        find_case(tmp_path, None, default)


def test_an_outcome_knows_all_tables() -> None:
    assert set(outcome(exports(), [], "x").rows) == {table.name for table in TABLES}
    assert isinstance(outcome(exports(), [], "x"), Outcome)
