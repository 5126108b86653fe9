"""A server's port stays its own."""

import socket
from pathlib import Path

from ioc.embedded.ports import RememberedPorts


def test_a_chosen_port_is_kept_and_differs_by_name(tmp_path: Path) -> None:
    ports = RememberedPorts(tmp_path / "deep" / "ports.json")
    broker, controller = ports.get("broker"), ports.get("controller")
    assert broker != controller
    again = RememberedPorts(tmp_path / "deep" / "ports.json")
    assert (again.get("broker"), again.get("controller")) == (broker, controller)


def test_a_given_port_wins_and_is_kept(tmp_path: Path) -> None:
    ports = RememberedPorts(tmp_path / "ports.json")
    ports.get("broker")
    assert ports.get("broker", 19092) == 19092
    assert ports.get("broker") == 19092


def test_a_forgotten_port_is_chosen_anew_and_is_free(tmp_path: Path) -> None:
    ports = RememberedPorts(tmp_path / "ports.json")
    with socket.create_server(("127.0.0.1", ports.get("controller"))) as taken:
        ports.forget("controller")
        assert ports.get("controller") != taken.getsockname()[1]


def test_a_torn_file_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("{")
    assert RememberedPorts(tmp_path / "ports.json").get("broker") > 0
