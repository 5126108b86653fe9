"""Where a demo's data lie, who may read them, and that one demo uses them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ioc.demo.checks import MachineNotReady, check_machine
from ioc.demo.folder import DemoFolder, DemoRunning, default_data_dir
from ioc.demo.servers import Servers
from ioc.embedded.prerequisites import EmbeddedError, PrerequisiteMissing
from streams.schema.errors import ConfigurationInvalid


def servers(folder: DemoFolder, **environ: str) -> Servers:
    return Servers(folder, environ, on_kafka=lambda _: None, on_database=lambda _: None, replay=False)


@pytest.mark.parametrize(
    ("environ", "root", "expected"),
    [
        ({"IOC_DATA_DIR": "/elsewhere"}, True, "/elsewhere"),
        ({"HOME": "/root"}, True, "/var/lib/ioc-demo"),
        ({"HOME": "/home/a"}, False, "/home/a/.local/share/ioc-demo"),
        ({"HOME": "/home/a", "XDG_DATA_HOME": "/data"}, False, "/data/ioc-demo"),
    ],
)
def test_the_folder(environ: dict[str, str], root: bool, expected: str) -> None:
    assert default_data_dir(environ, root=root) == Path(expected)


def test_a_second_demo_over_the_same_folder_is_refused_with_the_way_out(tmp_path: Path) -> None:
    first, second = DemoFolder(tmp_path / "d"), DemoFolder(tmp_path / "d")
    with first.claimed(), pytest.raises(DemoRunning, match="IOC_DATA_DIR"), second.claimed():
        pass
    with second.claimed():
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match="IOC_DATA_DIR"), DemoFolder(tmp_path / "file" / "d").claimed():
        pass


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    with folder.claimed():
        files = [folder.secret("writer_password"), folder.gateway_tokens()]
        texts = [file.read_text() for file in files]
        assert [folder.secret("writer_password").read_text(), folder.gateway_tokens().read_text()] == texts
        assert folder.secret("writer_password", given="given").read_text() == "given"
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len(texts[1].partition("=")[2].strip()) >= 16


def test_the_psql_script_holds_no_password(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    with folder.claimed():
        script = folder.write_psql(
            {"host": "127.0.0.1", "port": "5432", "dbname": "ioc", "user": "ioc_reader"}, "s3cret"
        )
    assert "s3cret" not in script.read_text()
    assert "-d 'host=127.0.0.1 port=5432 dbname=ioc user=ioc_reader'" in script.read_text()
    assert stat.S_IMODE(script.stat().st_mode) == 0o700


def test_all_that_is_missing_is_named_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv("IOC_JAVA_HOME", raising=False)
    with pytest.raises(MachineNotReady) as raised:
        check_machine(tmp_path / "cache", tmp_path, kafka=True, database=False)
    assert "sudo apt-get install openjdk-17-jre-headless maven" in str(raised.value)


def test_a_single_thing_missing_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ioc.demo.checks.find_java", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteMissing, match="maven"):
        check_machine(tmp_path / "cache", tmp_path, kafka=True, database=False)


def test_given_servers_need_nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    check_machine(tmp_path / "cache", tmp_path, kafka=False, database=False)


def test_a_server_given_by_url_wins_and_is_never_wiped(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    given = servers(folder, IOC_KAFKA_BOOTSTRAP="kafka:9092", IOC_ADMIN_DATABASE_URL="postgresql://a@db/ioc")
    assert given.kafka is None
    assert given.timescale is None
    with pytest.raises(ConfigurationInvalid, match="IOC_KAFKA_BOOTSTRAP"):
        given.check_fresh()
    assert servers(folder).kafka is not None


def test_children_get_passwords_by_file_and_nothing_of_the_administrator(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    with folder.claimed():
        own = servers(folder, PATH="/bin", IOC_PARTITIONS="2")
        wiring = own.wire("127.0.0.1:9", "postgresql://postgres:secret-of-admin@127.0.0.1:5/ioc")
    told = " ".join([*wiring.environment.values(), *wiring.admin_environment.values()])
    assert "secret-of-admin" not in told
    assert folder.secret("writer_password").read_text() not in told
    assert wiring.environment["IOC_DATABASE_URL"] == "postgresql://ioc_writer@127.0.0.1:5/ioc"
    assert wiring.environment["IOC_PARTITIONS"] == "2"
    assert not any("ADMIN" in name for name in wiring.environment)
    assert folder.secret("reader_password").read_text() in wiring.reader_url
