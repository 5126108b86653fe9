from __future__ import annotations

import pytest

from streams.ingest.gateways import Gateways
from streams.ingest.problem import Refused
from streams.schema.errors import ConfigurationInvalid
from tests.unit.streams.ingest.doubles import SETTINGS, TOKEN

GATEWAYS = Gateways(SETTINGS.gateway_tokens)


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer   {TOKEN} "])
def test_a_gateway_is_known_by_its_token(header: str) -> None:
    assert GATEWAYS.identify(header) == "gw-1"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer wrong", f"Bearer {TOKEN[:-1]}", "Bearer \udcff"],
)
def test_anything_else_is_challenged(header: str) -> None:
    with pytest.raises(Refused) as refused:
        GATEWAYS.identify(header)
    assert refused.value.status == 401
    assert refused.value.headers["WWW-Authenticate"].startswith('Bearer realm="ioc"')
    assert TOKEN[:-1] not in str(refused.value)


def test_two_gateways_with_one_token_are_refused() -> None:
    with pytest.raises(ConfigurationInvalid):
        Gateways({"a": TOKEN, "b": TOKEN})


def test_no_token_is_kept_in_the_clear() -> None:
    assert TOKEN not in repr(vars(GATEWAYS))
