"""docker-compose.yml and Dockerfile against the compose specification and against the code.

There is no container engine where this was written: what can be held without one is held here. compose-spec.json is
an unchanged copy (compose-spec.LICENSE.md names its source).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from ioc.cli import main
from streams.ingest.server import STOP_WITHIN_S
from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings, read_settings
from streams.schema.topics import Topics

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
LONG_RUNNING = {name: service for name, service in SERVICES.items() if service["restart"] == "unless-stopped"}
ONE_SHOT = {name: service for name, service in SERVICES.items() if name not in LONG_RUNNING}

every_service = pytest.mark.parametrize("name", sorted(SERVICES))
every_own_service = pytest.mark.parametrize("name", sorted(OURS))


def without_variables(part: Any) -> Any:
    """As compose sees it after interpolation: ``${NAME:-default}`` is its default."""
    if isinstance(part, dict):
        return {name: without_variables(value) for name, value in part.items()}
    if isinstance(part, list):
        return [without_variables(value) for value in part]
    found = re.fullmatch(r"\$\{[A-Z_]+:-([^}]*)\}", part) if isinstance(part, str) else None
    return yaml.safe_load(found.group(1)) if found else part


def command_of(words: list[str]) -> click.Command:
    """The click command that ``ioc words...`` runs."""
    assert words[0] == "ioc"
    command: click.Command = main
    context = click.Context(main)
    for i, word in enumerate(words[1:], 1):
        if isinstance(command, click.Group):
            found = command.get_command(context, word)
            assert found is not None, f"`{' '.join(words[: i + 1])}` does not exist"
            command = found
        else:
            command.make_context(word, list(words[i:]), resilient_parsing=False)
            break
    return command


def health_check(service: dict[str, Any]) -> list[str]:
    words: list[str] = service["healthcheck"]["test"]
    return words


def test_it_fits_the_compose_specification() -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(without_variables(COMPOSE))


def test_the_services_are_all_there() -> None:
    assert set(SERVICES) == {"kafka", "timescaledb", "grafana", "migrate", "topics", "worker", "ticker", "ingest"}
    assert set(ONE_SHOT) == {"migrate", "topics"}
    assert len({service["image"] for service in OURS.values()}) == 1


@every_own_service
def test_its_command_exists(name: str) -> None:
    words: list[str] = OURS[name]["command"]
    assert words[:2] == ["ioc", name]
    assert not isinstance(command_of(words), click.Group)


@every_own_service
def test_its_health_check_exists(name: str) -> None:
    if name in ONE_SHOT:
        assert "healthcheck" not in OURS[name]
        return
    kind, *words = health_check(OURS[name])
    assert (kind, words) == ("CMD", ["ioc", "health", name])
    command = command_of(words)
    assert not isinstance(command, click.Group)
    choices = [p.type.choices for p in command.params if isinstance(p.type, click.Choice)]
    assert not choices or name in choices[0]


@pytest.mark.parametrize("name", sorted(LONG_RUNNING))
def test_every_long_running_service_has_a_health_check(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


@every_own_service
def test_the_code_reads_its_variables(name: str, tmp_path: Path) -> None:
    """As the process would see them, secrets included; an unknown IOC_ variable is refused."""
    service = OURS[name]
    given = {variable: str(value) for variable, value in service["environment"].items()}
    assert all(variable.startswith("IOC_") for variable in given)
    secrets = set(service.get("secrets", []))
    named = {Path(value).name for variable, value in given.items() if variable.endswith("_FILE") and "secrets" in value}
    assert named == secrets, "a secret is mounted if and only if a variable names its file"
    for variable, value in given.items():
        if value.startswith("/run/secrets/"):
            file = tmp_path / Path(value).name
            content = "gw-1=a-token-of-32-characters-or-more" if "TOKENS" in variable else f"password-of-{file.name}"
            file.write_text(content + "\n")
            given[variable] = str(file)
    settings = read_settings(given)
    assert settings.kafka_bootstrap == "kafka:9092"
    assert settings.site_file == Path("/etc/ioc/site.toml")
    if "IOC_DATABASE_URL" in given:
        assert "password-of-writer_password@timescaledb:5432/ioc" in settings.database_url
    if "IOC_ADMIN_DATABASE_URL" in given:
        assert "password-of-postgres_password@timescaledb:5432/ioc" in settings.admin_database_url
        assert (settings.writer_password, settings.reader_password) == (
            "password-of-writer_password",
            "password-of-reader_password",
        )
    if name == "ingest":
        assert settings.gateway_tokens


def test_an_unknown_variable_would_be_noticed() -> None:
    with pytest.raises(ConfigurationInvalid):
        read_settings({"IOC_NO_SUCH_THING": "1"})


def test_every_published_port_is_on_loopback_and_is_the_one_in_the_code() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    port = Settings.ingest_port
    assert published == {"ingest": [f"127.0.0.1:{port}:{port}"], "grafana": ["127.0.0.1:3000:3000"]}
    assert SERVICES["ingest"]["environment"]["IOC_INGEST_PORT"] == str(port)
    assert "network_mode" not in TEXT
    assert "0.0.0.0:" not in TEXT


def test_only_what_is_published_has_a_way_out() -> None:
    assert COMPOSE["networks"]["data"]["internal"] is True
    outside = {name for name, service in SERVICES.items() if service["networks"] != ["data"]}
    assert outside == {"ingest", "grafana"}


@every_service
def test_images_are_pinned_by_exact_version(name: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:\d+\.\d+\.\d+(-pg17)?(@sha256:[0-9a-f]{64})?", SERVICES[name]["image"])


@every_service
def test_it_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["user"].split(":")[0] not in ("", "0", "root")
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service.get("read_only", False) is (name != "kafka")
    assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(service)
    assert {"memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    assert service["restart"] in ("unless-stopped", "on-failure:5")
    assert service["stop_grace_period"]
    assert service["logging"]["options"]["max-size"]


def test_secrets_are_files_and_stand_nowhere_else() -> None:
    assert {name: secret["file"] for name, secret in COMPOSE["secrets"].items()} == {
        name: f"./secrets/{name}" for name in COMPOSE["secrets"]
    }
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", variable):
                assert variable.endswith("_FILE"), f"{variable} holds a secret in the clear"
                assert str(value).startswith("/run/secrets/")
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert {"/secrets/", "secrets/"} & set(ignored), "secrets/ must be in .gitignore"


def test_files_that_are_mounted_exist() -> None:
    for path in _mounted():
        assert (ROOT / path).exists(), path


def _mounted() -> Iterator[str]:
    yield from (config["file"] for config in COMPOSE["configs"].values())
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source, _, rest = volume.partition(":")
            if source.startswith("."):
                assert rest.endswith(":ro"), f"{volume} could be written to"
                yield source
            else:
                assert source in COMPOSE["volumes"]


def test_each_service_waits_for_what_it_needs() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert how == {"condition": expected}, f"{name} -> {other}"
    assert set(SERVICES["worker"]["depends_on"]) == {"kafka", "timescaledb", "topics", "migrate"}
    assert "kafka" not in SERVICES["ingest"]["depends_on"], "the door opens, and answers 503, while Kafka is away"


def test_the_broker_takes_what_the_topics_promise() -> None:
    environment = SERVICES["kafka"]["environment"]
    topics = Topics("ioc", 4)
    largest = max(int(topic.config["max.message.bytes"]) for topic in topics.all)
    assert int(environment["KAFKA_MESSAGE_MAX_BYTES"]) >= largest
    assert int(environment["KAFKA_REPLICA_FETCH_MAX_BYTES"]) >= largest
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    partitions = int(SERVICES["worker"]["environment"]["IOC_PARTITIONS"])
    assert without_variables(SERVICES["worker"]["deploy"]["replicas"]) <= partitions


def test_the_database_has_room_for_its_background_jobs() -> None:
    assert "max_worker_processes=24" in SERVICES["timescaledb"]["command"]


def test_there_is_time_to_stop_gracefully() -> None:
    granted_s = int(SERVICES["ingest"]["stop_grace_period"].removesuffix("s"))
    assert granted_s >= STOP_WITHIN_S + 10


def test_grafana_is_provisioned_with_what_compose_gives_it() -> None:
    folder = ROOT / "dashboards" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "timescaledb.yaml").read_text())["datasources"]
    assert source["type"] == "grafana-postgresql-datasource"
    assert source["user"] == "ioc_reader"
    assert source["url"].partition(":")[0] in SERVICES
    assert source["jsonData"]["database"] == SERVICES["timescaledb"]["environment"]["POSTGRES_DB"]
    assert source["secureJsonData"] == {"password": "$__file{/run/secrets/reader_password}"}
    assert "reader_password" in SERVICES["grafana"]["secrets"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "boards.yaml").read_text())["providers"]
    assert any(f":{provider['options']['path']}:ro" in volume for volume in SERVICES["grafana"]["volumes"])
    assert (provider["disableDeletion"], provider["allowUiUpdates"]) == (True, False)


def test_the_dockerfile_is_pinned_and_runs_as_the_same_user() -> None:
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    (base,) = bases
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", base)
    (user,) = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert {service["user"] for service in OURS.values()} == {user}
    assert "--require-hashes" in DOCKERFILE
    assert not re.search(r"^(HEALTHCHECK|ADD) ", DOCKERFILE, re.MULTILINE)
    assert (ROOT / "requirements" / "runtime.txt").exists()


def test_the_dockerfile_copies_every_package_and_builds_with_the_tool_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packages = re.search(r"^include = \[(.*)\]", project, re.MULTILINE)
    assert packages is not None
    for package in re.findall(r'"(\w+)\*"', packages.group(1)):
        assert f"COPY {package} {package}\n" in DOCKERFILE
        assert f"!{package}" in (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    tool = re.search(r'requires = \["(setuptools==[\d.]+)"\]', project)
    assert tool is not None
    assert f'"{tool.group(1)} --hash=sha256:' in DOCKERFILE
