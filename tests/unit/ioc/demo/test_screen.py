"""What the live screen shows, at several sizes."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from ioc.demo.labels import TEXTS, Labels
from ioc.demo.screen import age, draw, office_name
from ioc.demo.state import DemoState, Step
from tests.unit.ioc.demo.states import running_state


def drawn(state: DemoState, width: int, height: int, labels: Labels | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    console.print(draw(state, labels or Labels("vi"), width, height))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("width", "height"), [(60, 16), (80, 24), (100, 30), (120, 40), (200, 60)])
@pytest.mark.parametrize("alarms", [0, 2, 50])
def test_it_fits(width: int, height: int, alarms: int) -> None:
    lines = drawn(running_state(alarms), width, height)
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 45)])
def test_the_figures_are_there(width: int, height: int) -> None:
    text = "\n".join(drawn(running_state(), width, height))
    for figure in (
        "10",
        "43",
        "7",
        "1,278",
        "12.5",
        "3",
        "Ngô Quyền",
        "69/34",
        "Đông Khê",
        "12 km/h",
        "1m05",
        "/data/psql",
    ):
        assert figure in text
    assert "kafka" in text
    assert "1000" in text


def test_a_process_that_was_restarted_is_told() -> None:
    text = "\n".join(drawn(running_state(), 120, 40))
    assert "chạy lại 3" in text
    assert "SIGKILL: last words" in text


def test_alarms_beyond_the_room_are_counted() -> None:
    text = "\n".join(drawn(running_state(50), 120, 40))
    shown = text.count("mức phục vụ E") or text.count("72 người")
    assert f"và {50 - shown} nữa" in text


def test_english_comes_first_when_asked_for() -> None:
    text = "\n".join(drawn(running_state(), 120, 40, Labels("en")))
    assert "Open alarms / Cảnh báo đang mở" in text
    assert "Ngô Quyền district 0: 72 people" in text
    assert "A busy morning" in text


def test_before_the_first_rows_it_shows_what_it_is_doing() -> None:
    state = DemoState(steps=[Step("machine", 0.0, 0.4), Step("kafka", note="downloading Kafka (45 MB, once)")])
    text = "\n".join(drawn(state, 100, 30))
    assert "✓   0.4 s Kiểm tra máy / Check the machine" in text
    assert "đang tải Kafka (45 MB, một lần)" in text


def test_a_window_that_is_too_small_says_so() -> None:
    assert drawn(running_state(), 40, 10) == ["Cửa sổ quá nhỏ; hãy phóng to"]


def test_ages() -> None:
    assert [age(s) for s in (-1, 59.9, 60, 3599, 3600, 86400 * 4)] == ["0s", "59s", "1m00", "59m59", "1h00", "4d"]


def test_office_names_are_without_what_they_share() -> None:
    assert office_name("Bộ phận một cửa quận Hồng Bàng") == "Quận Hồng Bàng"
    assert office_name("Hồng Bàng district one-stop shop") == "Hồng Bàng district"


def test_every_text_has_two_languages() -> None:
    assert all(vi and en for vi, en in TEXTS.values())
