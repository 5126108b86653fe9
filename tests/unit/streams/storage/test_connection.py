"""Which errors pass by themselves."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from streams.schema.errors import RetryLater
from streams.storage.connection import connection_string, retried_later

PASSING = (
    psycopg.OperationalError, psycopg.InterfaceError, errors.AdminShutdown, errors.CrashShutdown,
    errors.CannotConnectNow, errors.DeadlockDetected, errors.SerializationFailure, errors.DiskFull,
    errors.OutOfMemory, errors.TooManyConnections, errors.ConnectionFailure, errors.QueryCanceled,
    errors.ReadOnlySqlTransaction, errors.LockNotAvailable,
)  # fmt: skip
BUGS = (
    errors.UndefinedTable, errors.NotNullViolation, errors.NumericValueOutOfRange, errors.BadCopyFileFormat,
    errors.InsufficientPrivilege, errors.UntranslatableCharacter, ValueError,
)  # fmt: skip


@pytest.mark.parametrize("error", PASSING)
def test_what_passes_by_itself_is_tried_again(error: type[Exception]) -> None:
    with pytest.raises(RetryLater, match=r"^gone$"), retried_later():
        raise error("gone\nmore about it")


@pytest.mark.parametrize("error", BUGS)
def test_everything_else_is_a_bug(error: type[Exception]) -> None:
    with pytest.raises(error), retried_later():
        raise error("wrong")


def test_an_error_without_words_has_its_name() -> None:
    with pytest.raises(RetryLater, match="OperationalError"), retried_later():
        raise psycopg.OperationalError


def test_names_are_looked_up_in_the_namespace_and_last_among_temporary_tables() -> None:
    assert "search_path=ioc,public,pg_temp" in connection_string("postgresql://a@b/c", "ioc", "test")
