"""Lines instead of a screen, and the summary for scripts."""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace

from ioc.demo.labels import Labels
from ioc.demo.state import DemoState, Step
from ioc.demo.views import PlainView, figures_line
from tests.unit.ioc.demo.states import alarm, running_state


def test_steps_alarms_and_figures_come_as_lines_each_once() -> None:
    state, out = running_state(alarms=1), io.StringIO()
    view = PlainView(state, Labels("vi"), out)
    view.show()
    view.show()
    lines = out.getvalue().splitlines()
    assert sum("✓ Kiểm tra máy / Check the machine  0.5 s" in line for line in lines) == 1
    assert sum("CẢNH BÁO / ALARM [high]" in line for line in lines) == 1
    assert sum("sự kiện/s / events/s 10.4" in line for line in lines) == 1
    state.database = replace(state.database, open_alarms=[])
    view.show()
    assert "hết cảnh báo / alarm over: Bộ phận" in out.getvalue().splitlines()[-1]


def test_there_are_no_control_characters() -> None:
    state, out = running_state(), io.StringIO()
    state.database = replace(state.database, open_alarms=[replace(alarm(0), text_vi="tên\x1b[31m\nlạ\t")])
    PlainView(state, Labels("vi"), out).show()
    assert all(letter.isprintable() or letter == "\n" for letter in out.getvalue())


def test_a_note_of_a_step_is_told_when_it_comes() -> None:
    state, out = DemoState(steps=[Step("kafka")]), io.StringIO()
    view = PlainView(state, Labels("en"), out)
    view.show()
    state.steps[0].note = "downloading Kafka (45 MB, once)"
    view.show()
    state.steps[0].ended = time.monotonic()
    view.show()
    told = [line.split("s  ", 1)[1] for line in out.getvalue().splitlines()]
    assert told[:2] == [
        "… Start Kafka / Khởi động Kafka",
        "… Start Kafka / Khởi động Kafka: downloading Kafka (45 MB, once)",
    ]
    assert told[2].startswith("✓ Start Kafka")


def test_output_that_nobody_reads_is_noticed() -> None:
    out = io.StringIO()
    view = PlainView(running_state(), Labels("vi"), out)
    out.close()
    view.show()
    assert view.lost


def test_the_line_names_the_fullest_hall_and_the_slowest_station() -> None:
    line = figures_line(running_state(), Labels("en"))
    assert "Ngô Quyền district 69/34" in line
    assert "Đông Khê 12 km/h" in line


def test_the_outcome_is_one_line_of_json() -> None:
    text = json.dumps(running_state().outcome())
    assert "\n" not in text
    outcome = json.loads(text)
    assert outcome["events_in"] == 700
    assert outcome["rows"] == 1278
    assert outcome["dead_letters"] == 3
    assert outcome["lag"] == 7
    assert outcome["alarms"] == 2
    assert outcome["seconds_to_first_row"] == 8.12
    assert outcome["start_s"] == 5.0
    assert outcome["restarts"] == 3


def test_the_outcome_of_a_demo_that_never_ran() -> None:
    assert DemoState().outcome()["seconds_to_first_row"] is None
