"""The real I-24 day through Kafka, Faust and TimescaleDB against a batch computation over the file (polars)."""

from __future__ import annotations

import io
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ioc.embedded.kafka import EmbeddedKafka
from ioc.embedded.timescale import EmbeddedTimescale
from streams.replay.perturb import delay_some, duplicate, shuffle_within, split_rows
from streams.replay.readers import i24_site, open_recording
from streams.replay.recording import Entry, Record
from streams.schema.events import Tick
from streams.schema.instants import instant
from streams.schema.tables import TRAFFIC_LANE_1M, TRAFFIC_STATION_1M
from tests.integration.platform import Platform

FILE = Path(__file__).parents[3] / "shared/data/traffic/ftaed_i24_2023-12-08/i24_rds_30s.csv.gz"
LATENESS_S, GRACE_S = 90.0, 900.0
TABLES = (TRAFFIC_LANE_1M, TRAFFIC_STATION_1M)
pytestmark = [
    pytest.mark.integration,
    pytest.mark.shared_data,
    pytest.mark.skipif(not FILE.exists(), reason="the recordings beside the project are absent"),
]


@pytest.fixture(scope="module")
def day() -> list[Entry]:
    return list(open_recording(FILE))


@pytest.fixture
def platform(kafka_bootstrap: str, admin_database_url: str, server_dir: Path) -> Iterator[Platform]:
    site = i24_site(FILE, lateness_s=LATENESS_S, grace_s=GRACE_S)
    with Platform(kafka_bootstrap, admin_database_url, site, server_dir) as made:
        yield made


@pytest.fixture(scope="module")
def expected() -> dict[str, pl.DataFrame]:
    """1-min rows of lanes and stations straight from the file."""
    rows = (
        pl.read_csv(FILE, infer_schema_length=None)
        .with_columns(
            count=(pl.col("volume_raw") + 0.5).floor(),
            speed=pl.when(pl.col("speed_raw_mph") > 0).then(pl.col("speed_raw_mph") * 1.609344),
            window=((pl.col("unix_time") - 15) // 60 * 60).cast(pl.Int64),
            station=pl.lit("i24-mm")
            + pl.col("milemarker").map_elements(lambda mm: f"{mm:.1f}", return_dtype=pl.String),
        )
        .filter(pl.any_horizontal(pl.col("count", "occ_raw_pct", "speed").is_not_null()))
        .sort("unix_time")
    )
    return {
        "traffic_lane_1m": _measures(rows, ["station", "lane"], 1),
        "traffic_station_1m": _measures(rows, ["station"], 4),
    }


def _measures(rows: pl.DataFrame, place: list[str], lanes: int) -> pl.DataFrame:
    timed = pl.col("speed").is_not_null() & (pl.col("count") > 0)
    counted = pl.col("count").is_not_null().sum()
    grouped = rows.group_by([*place, "window"]).agg(
        vehicles=pl.when(counted > 0).then(pl.col("count").sum()).first(),
        flow_veh_h=pl.when(counted > 0).then(pl.col("count").sum() * 120 / counted * lanes).first(),
        speed_kmh=pl.col("count").filter(timed).sum() / (pl.col("count") / pl.col("speed")).filter(timed).sum(),
        occupancy_pct=pl.col("occ_raw_pct").mean(),
        readings=pl.len(),
        coverage=(pl.len() * 30 / (60 * lanes)).clip(upper_bound=1.0),
    )
    speed = pl.col("speed_kmh").fill_nan(None)
    return (
        grouped.with_columns(speed_kmh=speed)
        .with_columns(
            density_veh_km=pl.coalesce(
                pl.col("flow_veh_h") / pl.col("speed_kmh"), 10 * pl.col("occupancy_pct") / 6.5 * lanes
            )
        )
        .with_columns(level_of_service=_grade(pl.col("density_veh_km") / lanes))
        .sort([*place, "window"])
    )


def _grade(density: pl.Expr) -> pl.Expr:
    grade = pl.when(density > 28).then(pl.lit("F"))
    for letter, bound in zip("EDCB", (22, 16, 11, 7), strict=True):
        grade = grade.when(density > bound).then(pl.lit(letter))
    return grade.when(density.is_not_null()).then(pl.lit("A"))


def stored(export: bytes, like: pl.DataFrame) -> pl.DataFrame:
    """A table's export with the columns and types of the batch computation."""
    frame = pl.read_csv(io.BytesIO(export), infer_schema_length=None, try_parse_dates=False)
    window = pl.col("window_start").str.to_datetime("%Y-%m-%d %H:%M:%S%#z").dt.epoch("s")
    return frame.with_columns(window=window).select(pl.col(name).cast(kind) for name, kind in like.schema.items())


def assert_equal_to_batch(platform: Platform, expected: dict[str, pl.DataFrame]) -> None:
    exports = platform.exports(TABLES)
    for name, batch in expected.items():
        order = ["station", "lane", "window"] if "lane" in batch.columns else ["station", "window"]
        found = stored(exports[name], batch).sort(order)
        assert_frame_equal(found, batch, check_exact=False, rel_tol=1e-12, abs_tol=1e-9)


def revisions(platform: Platform) -> set[int]:
    return {row[0] for row in platform.query("SELECT DISTINCT revision FROM traffic_lane_1m")}


def test_rows_equal_a_batch_computation_over_the_file(
    platform: Platform, day: list[Entry], expected: dict[str, pl.DataFrame]
) -> None:
    platform.start_worker()
    platform.play(day)
    platform.wait_until_drained()
    assert sum(len(frame) for frame in expected.values()) > 160_000
    assert_equal_to_batch(platform, expected)
    assert revisions(platform) == {1}
    assert platform.count("dead_letter") == 0


def test_shuffled_within_lateness_and_duplicated_gives_the_same_rows(
    platform: Platform, day: list[Entry], expected: dict[str, pl.DataFrame]
) -> None:
    disturbed = shuffle_within(duplicate(split_rows(day, 0.3, seed=3), 0.05, seed=4), LATENESS_S, seed=5)
    assert disturbed != day
    platform.start_worker()
    platform.play(disturbed)
    platform.wait_until_drained()
    assert_equal_to_batch(platform, expected)
    assert revisions(platform) == {1}


def test_late_readings_correct_and_those_beyond_grace_are_kept_aside(
    platform: Platform, day: list[Entry], expected: dict[str, pl.DataFrame]
) -> None:
    late = delay_some(day, 0.02, seed=6, at_least_s=LATENESS_S + 200, at_most_s=LATENESS_S + 500)
    platform.start_worker()
    platform.play(late)
    platform.wait_until_drained()
    assert_equal_to_batch(platform, expected)
    assert max(revisions(platform)) > 1
    assert platform.count("correction") > 10
    assert platform.count("dead_letter") == 0


def test_beyond_grace_nothing_is_lost_in_silence(platform: Platform, day: list[Entry]) -> None:
    early = day[:400]
    hopeless = delay_some(
        early, 0.05, seed=7, at_least_s=LATENESS_S + GRACE_S + 200, at_most_s=LATENESS_S + GRACE_S + 900
    )
    platform.start_worker()
    end_us = hopeless[-1].logged_us + 3_600_000_000
    platform.play([*hopeless, Record(end_us, Tick(ticked_at=instant(end_us)))])
    platform.wait_until_drained()
    ((letters, rows),) = platform.query("SELECT count(*), sum(rows) FROM dead_letter WHERE reason = 'beyond-grace'")
    ((used,),) = platform.query("SELECT sum(readings) FROM traffic_lane_1m")
    assert letters > 5
    assert used + rows == readings_with_values(early)


def readings_with_values(entries: list[Entry]) -> int:
    """Readings in which something was measured."""
    total = 0
    for entry in entries:
        event = getattr(entry, "event", None)
        if event is not None and hasattr(event, "corridor"):
            columns = zip(event.count, event.occupancy_pct, event.speed_kmh, strict=True)
            total += sum(1 for values in columns if any(value is not None for value in values))
    return total


def test_kill_9_in_the_middle_changes_no_row(
    platform: Platform, day: list[Entry], expected: dict[str, pl.DataFrame]
) -> None:
    worker = platform.start_worker()
    platform.play(day)
    platform.wait_for_rows("traffic_lane_1m", 20_000)
    platform.kill_worker(worker)
    assert platform.count("traffic_lane_1m") < len(expected["traffic_lane_1m"])
    platform.start_worker()
    platform.wait_until_drained()
    assert_equal_to_batch(platform, expected)
    assert revisions(platform) == {1}


def test_kafka_stopped_for_20_s_changes_no_row(
    platform: Platform, kafka: EmbeddedKafka, day: list[Entry], expected: dict[str, pl.DataFrame]
) -> None:
    platform.start_worker()
    platform.play(day)
    platform.wait_for_rows("traffic_lane_1m", 20_000)
    kafka.stop()
    time.sleep(20)
    kafka.start()
    platform.wait_until_drained(supervise=True)
    assert_equal_to_batch(platform, expected)


def test_timescale_stopped_for_20_s_changes_no_row_and_memory_stays_bounded(
    platform: Platform, timescale: EmbeddedTimescale, day: list[Entry], expected: dict[str, pl.DataFrame]
) -> None:
    worker = platform.start_worker()
    platform.play(day)
    platform.wait_for_rows("traffic_lane_1m", 20_000)
    timescale.stop()
    time.sleep(20)
    peak_mb = peak_memory_mb(worker.pid)
    timescale.start()
    platform.wait_until_drained()
    assert worker.poll() is None
    assert peak_mb < 300
    assert_equal_to_batch(platform, expected)


def test_a_worker_stopped_in_order_ends_by_itself(platform: Platform) -> None:
    worker = platform.start_worker()
    time.sleep(8)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0


def peak_memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
