"""The corridor as SUMO's input, its loops as readings; with SUMO installed, the bundled smoke recording made anew."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from click.testing import CliRunner

from ioc.simulation import road
from ioc.simulation.__main__ import main
from ioc.simulation.road_network import (
    Demand,
    Incident,
    detectors,
    detectors_xml,
    edges,
    edges_xml,
    nodes_xml,
    routes_xml,
)
from streams.schema.site import Corridor, load_site

ROOT = Path(__file__).parents[4]
SITE = load_site(ROOT / "config" / "haiphong.toml")
CORRIDORS = pytest.mark.parametrize("corridor", SITE.corridors, ids=lambda corridor: corridor.id)


@CORRIDORS
def test_the_carriageway_is_whole_and_each_station_lies_where_its_lanes_are(corridor: Corridor) -> None:
    stretches = edges(corridor)
    assert all(u.to_m == d.from_m for u, d in pairwise(stretches))
    for station in corridor.stations:
        place_m = station.position_km * 1000
        assert [e.lanes for e in stretches if e.from_m <= place_m < e.to_m] == [station.lanes]


@CORRIDORS
def test_the_documents_refer_to_what_exists(corridor: Corridor) -> None:
    nodes = {node.get("id") for node in ElementTree.fromstring(nodes_xml(corridor))}
    roads = {edge.get("id"): edge for edge in ElementTree.fromstring(edges_xml(corridor))}
    assert {edge.get(end) for edge in roads.values() for end in ("from", "to")} == nodes
    lanes = {f"{name}_{lane}" for name, edge in roads.items() for lane in range(int(edge.get("numLanes", "0")))}
    loops = ElementTree.fromstring(detectors_xml(corridor, "out.xml"))
    assert {loop.get("lane") for loop in loops} <= lanes
    assert [loop.get("id") for loop in loops] == [detector.name for detector in detectors(corridor)]
    incident = Incident(corridor.stations[2].position_km, (1, 2), 100.0, 60.0)
    routes = ElementTree.fromstring(routes_xml(corridor, Demand(), [incident], 600))
    stops = list(routes.iter("stop"))
    assert len(stops) == 2
    assert all(stop.get("lane") in lanes and stop.get("until") == "160" for stop in stops)


def test_a_loop_that_counted_nothing_has_no_speed(tmp_path: Path) -> None:
    path = tmp_path / "measured.xml"
    path.write_text(
        "<detector>"
        '<interval begin="0.00" id="s/1/all" nVehContrib="0" occupancy="0.0" speed="-1.00"/>'
        '<interval begin="30.00" id="s/1/all" nVehContrib="4" occupancy="101.5" speed="10.00"/>'
        "</detector>"
    )
    measured = road._read_loops(path)
    assert measured["s/1/all", 0.0] == road.LoopFigures(0, 0.0, None)
    assert measured["s/1/all", 30.0] == road.LoopFigures(4, 100.0, 36.0)


def test_without_sumo_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(road, "import_module", missing)
    site = str(ROOT / "config" / "haiphong.toml")
    arguments = ["--out", str(tmp_path / "x.gz"), "--minutes", "1", "--office", "do-son", "--site", site]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert "[simulation]" in done.output
    assert "--no-roads" in done.output


def test_the_smoke_recording_is_what_its_header_says_makes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("sumo", reason="SUMO, the development extra `simulation`, is not installed")
    kept = (ROOT / "ioc" / "recordings" / "smoke.jsonl.gz").read_bytes()
    made_by = msgspec.json.decode(gzip.decompress(kept).split(b"\n", 1)[0])["made_by"]
    arguments = made_by.removeprefix("python -m ioc.simulation ").split()
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    made = (tmp_path / "ioc" / "recordings" / "smoke.jsonl.gz").read_bytes()
    assert gzip.decompress(made) == gzip.decompress(kept)
