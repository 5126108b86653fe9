"""The servers of the fault tests, apart from those of the others: they are stopped, killed and reached by proxy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.servers import Servers, servers


@pytest.fixture(scope="module")
def struck() -> Iterator[Servers]:
    with servers() as started:
        yield started
