"""The sample site file loads, and a file of the wrong shape is refused with the path to the fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.schema.errors import ConfigurationInvalid
from streams.schema.site import Site, load_site
from streams.schema.site_check import first_duty_gap, site_notes

SAMPLE = Path(__file__).parents[4] / "config" / "haiphong.toml"


@pytest.fixture(scope="module")
def site() -> Site:
    return load_site(SAMPLE)


def test_sample_has_the_offices_of_the_assignment(site: Site) -> None:
    kinds = [office.kind for office in site.offices]
    assert (kinds.count("district"), kinds.count("department")) == (15, 6)
    assert all(len(office.cameras) == 1 for office in site.offices)


def test_sample_has_zones_lines_and_hours_everywhere(site: Site) -> None:
    for office, camera in site.cameras.values():
        assert {zone.role for zone in camera.zones} == {"waiting", "counter", "staff", "entrance"}
        assert len(camera.lines) == 1
        assert {"mon", "tue", "wed", "thu", "fri"} <= set(office.opening)


def test_sample_has_two_corridors_with_stations_and_congestion(site: Site) -> None:
    assert len(site.corridors) >= 2
    assert all(len(corridor.stations) >= 6 and corridor.congestion for corridor in site.corridors)


def test_sample_has_somebody_on_duty_all_week_and_nothing_to_remark(site: Site) -> None:
    assert first_duty_gap(site.duty) is None
    assert site_notes(site) == []


def test_sample_writes_no_secret(site: Site) -> None:
    for channel in site.duty.channels:
        if channel.kind in ("sms", "zalo", "telegram", "webhook"):
            assert channel.target.startswith("secret:")


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("latitude = 20.8611", "latitude = 208.611", ".offices[0].latitude"),
        ('kind = "district"', 'kind = "ward"', ".offices[0].kind"),
        ('role = "waiting"', 'role = "wating"', ".offices[0].cameras[0].zones[0].role"),
        ("area_m2 = 78", "area_m2 = -78", ".offices[0].cameras[0].zones[0].area_m2"),
        ('["07:30-11:30", "13:30-17:00"]', '["7:30-11:30"]', ".offices[0].opening[...][0]"),
        ("[streams]\n", "[streams]\nradar = 1\n", ".streams"),
    ],
)
def test_wrong_shape_is_refused_with_its_path(tmp_path: Path, old: str, new: str, place: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SAMPLE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationInvalid) as refusal:
        load_site(path)
    assert refusal.value.path == f"{path}{place}"


def test_what_is_not_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text("name_vi = ", encoding="utf-8")
    with pytest.raises(ConfigurationInvalid, match="not a TOML file"):
        load_site(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="cannot read it"):
        load_site(tmp_path / "absent.toml")
