"""A demo's state in the middle of a run, for the tests of what is shown."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ioc.demo.figures import DatabaseFigures, OpenAlarm, StationNow, ZoneNow
from ioc.demo.state import DemoState, Step
from ioc.demo.supervisor import Kept

NOW = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)


class Still:
    """A service that runs."""

    def __init__(self, pid: int) -> None:
        self.pid: int | None = pid

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def is_running(self) -> bool:
        return True


def alarm(number: int) -> OpenAlarm:
    return OpenAlarm(
        alarm=f"zone-overcrowded:cam-{number}:waiting",
        raised_at=NOW - timedelta(seconds=60 * number + 5),
        priority="high",
        condition_vi="Khu vực quá đông",
        condition_en="Zone overcrowded",
        text_vi=f"Bộ phận một cửa quận Ngô Quyền {number}: 72 người, mức phục vụ E",
        text_en=f"Ngô Quyền district one-stop shop {number}: 72 people, level of service E",
    )


def running_state(alarms: int = 2) -> DemoState:
    moment = time.monotonic()
    services = [Kept(name, Still(1000 + k), "running") for k, name in enumerate(("kafka", "timescaledb", "worker"))]
    services[2].restarts, services[2].fault, services[2].memory_bytes = 3, "SIGKILL: last words", 70_000_000
    return DemoState(
        title_vi="Buổi sáng đông khách",
        title_en="A busy morning",
        phase="running",
        began=moment - 70,
        data_at=moment - 65,
        first_row_s=8.125,
        steps=[Step("machine", moment - 70, moment - 69.5)],
        events=700,
        readings=2900,
        events_per_s=10.4,
        readings_per_s=43.2,
        rows_per_s=12.5,
        lag=7,
        database=DatabaseFigures(
            read_at=NOW,
            rows={"zone_occupancy_10s": 1234, "traffic_lane_1m": 44, "dead_letter": 3},
            alarms_raised=alarms,
            open_alarms=[alarm(number) for number in range(alarms)],
            zones=[ZoneNow("Bộ phận một cửa quận Ngô Quyền", "Ngô Quyền district one-stop shop", 69.4, 34, "D",
                           "D – gần đông", "D – getting full")],
            stations=[StationNow("Đông Khê", "Đông Khê", "Lê Hồng Phong", "Lê Hồng Phong Street", 11.6, 900.0, "F",
                                 "F – quá tải", "F – overloaded")],
        ),
        services=services,
        player_pid=999,
        psql=Path("/data/psql"),
        ingest_url="http://127.0.0.1:8480/v1/traffic/readings",
        logs=Path("/data/logs"),
    )  # fmt: skip
