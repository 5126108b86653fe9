from __future__ import annotations

from pathlib import Path

import pytest

from streams.ingest.server import server_of
from streams.schema.errors import ConfigurationInvalid
from streams.schema.settings import Settings
from tests.unit.streams.ingest.doubles import SITE_FILE, TOKEN


def test_a_door_that_nobody_may_use_is_not_opened() -> None:
    with pytest.raises(ConfigurationInvalid, match="IOC_GATEWAY_TOKENS"):
        server_of(Settings(site_file=SITE_FILE))


def test_a_missing_site_file_is_named() -> None:
    with pytest.raises(ConfigurationInvalid, match=r"nowhere\.toml"):
        server_of(Settings(site_file=Path("nowhere.toml"), gateway_tokens={"gw-1": TOKEN}))


def test_the_settings_decide_where_it_listens() -> None:
    settings = Settings(site_file=SITE_FILE, gateway_tokens={"gw-1": TOKEN}, ingest_port=8499)
    config = server_of(settings).config
    assert (config.host, config.port) == ("127.0.0.1", 8499)
    assert not config.access_log
