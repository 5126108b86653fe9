from __future__ import annotations

from pathlib import Path

import pytest

from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings, public_url, read_settings


def test_nothing_set_gives_the_defaults() -> None:
    assert read_settings({"HOME": "/x"}) == Settings()


def test_a_password_comes_from_its_file_and_is_quoted(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("p@ss:w/rd\n")
    settings = read_settings(
        {"IOC_DATABASE_URL": "postgresql://w@db:5432/ioc", "IOC_DATABASE_PASSWORD_FILE": str(secret)}
    )
    assert settings.database_url == "postgresql://w:p%40ss%3Aw%2Frd@db:5432/ioc"
    assert public_url(settings.database_url) == "postgresql://w:***@db:5432/ioc"


def test_secrets_do_not_show_in_the_representation() -> None:
    settings = Settings(
        database_url="postgresql://w:hidden@db/ioc",
        admin_database_url="postgresql://a:hidden@db/ioc",
        writer_password="hidden",
        reader_password="hidden",
        gateway_tokens={"g": "hidden"},
    )
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IOC_PARTITIONS", "0"), ("IOC_PARTITIONS", "many"), ("IOC_NAMESPACE", "Live"), ("IOC_NAMESPACE", "a; drop"),
        ("IOC_STORE_READINGS", "perhaps"), ("IOC_DATABASE_URL", "mysql://x"), ("IOC_INGEST_PORT", "70000"),
        ("IOC_DATABASE_PASSWORD_FILE", "/nowhere/at/all"), ("IOC_GATEWAY_TOKENS", "gateway=short"),
        ("IOC_PARTITONS", "4"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_the_variables_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        read_settings({name: value})
    assert refused.value.path == name


def test_gateway_tokens_one_a_line() -> None:
    settings = read_settings({"IOC_GATEWAY_TOKENS": "# comment\n\nnorth = abcdefghijklmnop\nsouth=qrstuvwxyzabcdef\n"})
    assert settings.gateway_tokens == {"north": "abcdefghijklmnop", "south": "qrstuvwxyzabcdef"}
