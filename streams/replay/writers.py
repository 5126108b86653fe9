"""Writes a recording in the form that a file's name asks for. The counterpart of streams.replay.readers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from streams.replay.csv_file import write_csv
from streams.replay.mcap_file import write_mcap
from streams.replay.recording import Entry, RecordingInfo, write_recording
from streams.schema.errors import ConfigurationInvalid

ENDINGS = (".mcap", ".jsonl", ".jsonl.gz", ".csv", ".csv.gz")


def is_csv(path: Path) -> bool:
    return path.name.endswith((".csv", ".csv.gz"))


def check_name(path: Path) -> None:
    """Raises ConfigurationInvalid where the name says no form."""
    if not path.name.endswith(ENDINGS):
        raise ConfigurationInvalid(str(path), f"the name says the form; it ends with one of {', '.join(ENDINGS)}")


def save_recording(path: Path, entries: Iterable[Entry], info: RecordingInfo) -> RecordingInfo:
    """Writes entries, sorted by arrival, in bounded memory; the file appears whole or not at all.

    Raises ConfigurationInvalid where the name says no form or it cannot be written, ValueError where the entries are
    not sorted or none, or one cannot be CSV.
    """
    check_name(path)
    try:
        return _write(path, entries, info)
    except OSError as fault:
        raise ConfigurationInvalid(str(path), f"cannot write it: {fault.strerror}") from None


def _write(path: Path, entries: Iterable[Entry], info: RecordingInfo) -> RecordingInfo:
    if path.name.endswith(".mcap"):
        return write_mcap(path, entries, info)
    if is_csv(path):
        return write_csv(path, entries, info)
    return write_recording(
        path, entries, title_vi=info.title_vi, title_en=info.title_en, made_by=info.made_by, seed=info.seed
    )
