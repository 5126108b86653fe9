"""Each contradiction in a site file is found, at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.schema.errors import ConfigurationInvalid
from streams.schema.site import Site, load_site
from streams.schema.site_check import (
    check_site,
    first_duty_gap,
    great_circle_km,
    polygon_area_norm,
    polygon_fault,
    site_faults,
    site_notes,
)

SAMPLE = Path(__file__).parents[4] / "config" / "haiphong.toml"
TREE: dict[str, Any] = msgspec.to_builtins(load_site(SAMPLE))


def edited(*edits: tuple[str, Any]) -> Site:
    """The sample with values replaced; a path is written offices.0.cameras.0.id."""
    tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(TREE))
    for path, value in edits:
        *way, last = path.split(".")
        node: Any = tree
        for step in way:
            node = node[int(step)] if isinstance(node, list) else node[step]
        node[int(last) if isinstance(node, list) else last] = value
    return msgspec.convert(tree, Site)


CAMERA = "offices.0.cameras.0"
FAULTS = [
    ("time_zone", "Asia/Hai_Phong", ".time_zone", "IANA"),
    ("streams.camera.grace_s", 1.0, ".streams.camera.grace_s", "longer than lateness_s"),
    ("streams.traffic.silent_after_s", 10.0, ".streams.traffic.silent_after_s", "longer than lateness_s"),
    ("corridors.1.interval_s", 300.0, ".corridors[1].interval_s", "silent_after_s"),
    ("offices.2.id", "hong-bang", ".offices[2].id", "offices[0].id"),
    ("offices.2.cameras.0.id", "cam-hong-bang-01", ".offices[2].cameras[0].id", "cam-hong-bang-01"),
    ("offices.3.cameras.0.id", "le-hong-phong", ".corridors[0].id", "offices[3].cameras[0].id"),
    ("corridors.1.stations.2.id", "lhp-01", ".corridors[1].stations[2].id", "lhp-01"),
    (f"{CAMERA}.zones.1.id", "waiting", ".offices[0].cameras[0].zones[1].id", "'waiting'"),
    (f"{CAMERA}.lines.0.id", "staff", ".offices[0].cameras[0].lines[0].id", "'staff'"),
    (f"{CAMERA}.lines.0.end_norm", [0.62, 0.93], ".offices[0].cameras[0].lines[0].end_norm", "'door'"),
    (
        f"{CAMERA}.zones.1.polygon_norm",
        [[0, 0], [1, 1], [1, 0], [0, 1]],
        ".offices[0].cameras[0].zones[1].polygon_norm",
        "crosses itself",
    ),
    (
        "offices.3.cameras.0.zones.1.polygon_norm",
        [[0, 0], [0.5, 0.5], [0, 0.0]],
        ".offices[3].cameras[0].zones[1].polygon_norm",
        "repeats its first corner",
    ),
    ("offices.0.opening.mon.0", "11:30-07:30", ".offices[0].opening.mon[0]", "end after it starts"),
    ("offices.0.opening.tue.1", "11:00-17:00", ".offices[0].opening.tue[1]", "order the hours"),
    ("corridors.0.stations.3.position_km", 1.5, ".corridors[0].stations[3].position_km", "'lhp-04'"),
    ("corridors.0.stations.7.latitude", 20.9, ".corridors[0].stations[7].latitude", "as the crow flies"),
    ("duty.people.1.id", "mau-an", ".duty.people[1].id", "person id 'mau-an'"),
    ("duty.people.0.channels.1", "zalo-dutty", ".duty.people[0].channels[1]", "perhaps 'zalo-duty'"),
    ("duty.shifts.0.people.0", "mau-ann", ".duty.shifts[0].people[0]", "perhaps 'mau-an'"),
    ("duty.shifts.0.people.1", "mau-an", ".duty.shifts[0].people[1]", "twice"),
    ("duty.shifts.1.id", "sang", ".duty.shifts[1].id", "shift id 'sang'"),
    ("duty.shifts.3.hours", "22:00-06:00", ".duty.shifts[3].hours", "until 24:00"),
    ("duty.shifts.0.days", ["mon", "mon"], ".duty.shifts[0].days", "twice"),
    ("duty.channels.1.id", "desk", ".duty.channels[1].id", "channel id 'desk'"),
    ("duty.channels.3.target", "secret:", ".duty.channels[3].target", "secret:NAME"),
]


@pytest.mark.parametrize(("path", "value", "place", "words"), FAULTS, ids=[f"{f[0]}={f[1]}" for f in FAULTS])
def test_a_contradiction_is_refused_at_its_place(path: str, value: Any, place: str, words: str) -> None:
    with pytest.raises(ConfigurationInvalid) as refusal:
        check_site(edited((path, value)), "site.toml")
    assert refusal.value.path == f"site.toml{place}"
    assert words in refusal.value.detail


def test_all_faults_are_told_at_once() -> None:
    site = edited(("time_zone", "Mars"), ("offices.2.id", "hong-bang"), ("duty.shifts.0.people.0", "nobody"))
    with pytest.raises(ConfigurationInvalid) as refusal:
        check_site(site, "site.toml")
    assert refusal.value.path == "site.toml.time_zone"
    assert "2 more faults" in refusal.value.detail
    assert "\n  site.toml.offices[2].id: " in refusal.value.detail
    assert "\n  site.toml.duty.shifts[0].people[0]: " in refusal.value.detail


def test_a_long_list_of_faults_is_cut() -> None:
    site = edited(*((f"offices.{k}.opening.mon.0", "11:30-07:30") for k in range(21)), ("time_zone", "Mars"))
    with pytest.raises(ConfigurationInvalid) as refusal:
        check_site(site, "site.toml")
    assert refusal.value.detail.count("\n  site.toml") == 19
    assert refusal.value.detail.endswith("and 2 more")


def test_a_gap_in_the_roster_is_a_note() -> None:
    site = edited(("duty.shifts.0.hours", "06:00-13:00"))
    assert list(site_faults(site)) == []
    assert first_duty_gap(site.duty) == "mon 13:00"
    assert [place for place, _ in site_notes(site)] == [".duty.shifts"]


@given(st.integers(3, 40), st.floats(0.05, 0.45), st.booleans())
def test_a_regular_polygon_is_simple_and_has_its_area(corners: int, radius: float, turned: bool) -> None:
    from math import cos, pi, sin

    polygon = [
        (0.5 + radius * cos(2 * pi * k / corners), 0.5 + radius * sin(2 * pi * k / corners)) for k in range(corners)
    ]
    if turned:
        polygon.reverse()
    assert polygon_fault(polygon) is None
    assert polygon_area_norm(polygon) == pytest.approx(corners * radius**2 * sin(2 * pi / corners) / 2)


@given(st.integers(4, 12), st.data())
def test_exchanging_two_neighbours_of_a_convex_polygon_makes_it_cross_itself(corners: int, data: st.DataObject) -> None:
    from math import cos, pi, sin

    polygon = [(0.5 + 0.4 * cos(2 * pi * k / corners), 0.5 + 0.4 * sin(2 * pi * k / corners)) for k in range(corners)]
    k = data.draw(st.integers(0, corners - 1))
    following = (k + 1) % corners
    polygon[k], polygon[following] = polygon[following], polygon[k]
    assert "crosses itself" in (polygon_fault(polygon) or "")


@pytest.mark.parametrize(
    ("polygon", "words"),
    [
        ([(0.1, 0.1), (0.2, 0.2), (0.3, 0.3)], "has no area"),
        ([(0.1, 0.1), (0.2, 0.2), (0.1, 0.1), (0.2, 0.2)], "2 distinct corners"),
        ([(0.1, 0.1), (0.9, 0.1), (0.5, 0.5), (0.9, 0.9), (0.1, 0.9), (0.5, 0.5)], "twice"),
    ],
)
def test_a_degenerate_polygon_is_named(polygon: list[tuple[float, float]], words: str) -> None:
    assert words in (polygon_fault(polygon) or "")


def test_great_circle_of_a_degree_of_latitude() -> None:
    assert great_circle_km(20.0, 106.0, 21.0, 106.0) == pytest.approx(111.195, abs=0.01)
