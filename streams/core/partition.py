"""One partition of an input topic: records in, in order; rows, alarms, dead letters and new states out.

Decides what a record is (an event for one source, a tick for all), whether it was included before (a redelivery),
and what is refused. It never decides what a source makes of its event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from streams.core.outputs import Outputs
from streams.core.quality import check_tick
from streams.core.silence import Listening
from streams.core.watermark import NEVER_US
from streams.schema import codec
from streams.schema.errors import ConfigurationInvalid, RejectedEvent
from streams.schema.events import Alarm, DeadLetter, InputEvent, Tick
from streams.schema.instants import microseconds
from streams.schema.tables import DEAD_LETTER, Rows

STATE_VERSION = 1
"""Raise it when the shape of a snapshot changes: a worker must not read another shape for its own."""
CLOCK = "*clock"
"""The name under which a partition keeps its own state."""


@dataclass(frozen=True, slots=True)
class Record:
    """A message as the log holds it. logged_us: its time stamp in the log."""

    offset: int
    key: bytes | None
    value: bytes | None
    logged_us: int


class SourceState(Protocol):
    """State of one camera or corridor."""

    def apply(self, event: Any, logged_us: int) -> Outputs: ...

    def advance(self, listening: Listening) -> Outputs: ...

    def take_snapshot(self) -> Any: ...

    def restore(self, kept: Any) -> None: ...


@dataclass(frozen=True)
class SourceKind:
    """What a topic's sources are. event: the kind they send; key: its source's id; new: a fresh state, None for an
    id that the site does not have; snapshot: the type of a state's snapshot; silent_after_s: of its stream's policy.
    """

    event: type[InputEvent]
    key: Callable[[Any], str]
    new: Callable[[str], SourceState | None]
    snapshot: type[Any]
    silent_after_s: float


class _Kept(msgspec.Struct, array_like=True, frozen=True):
    """A source's state with the offset it includes."""

    version: int
    offset: int
    state: msgspec.Raw


class _Clock(msgspec.Struct, array_like=True):
    """The partition's own state: its ticks, and the offset up to which everything is included."""

    offset: int = -1
    listening: Listening = msgspec.field(default_factory=Listening)


@dataclass
class Batch:
    """What came of some records. Write ``rows``, tell ``alarms`` and ``dead_letters``, then keep ``states`` in their
    order (the partition's own comes last), then acknowledge."""

    rows: list[Rows] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    states: dict[str, bytes] = field(default_factory=dict)


def included_offset(name: str, state: bytes) -> int:
    """The offset that a state, as a Batch gave it under this name, includes."""
    fields = msgspec.msgpack.decode(state)
    return int(fields[0] if name == CLOCK else fields[1])


@dataclass
class _Source:
    state: SourceState
    offset: int


class Partition:
    """States of all sources of one partition."""

    def __init__(self, topic: str, number: int, kind: SourceKind, kept: Mapping[str, bytes]) -> None:
        """kept: states by source as a Batch gave them, empty for a fresh start."""
        self._topic = topic
        self._number = number
        self._kind = kind
        self._clock = msgspec.msgpack.decode(kept[CLOCK], type=_Clock) if CLOCK in kept else _Clock()
        self._sources: dict[str, _Source] = {}
        self._owed: dict[str, Outputs] = {}
        for name, state in kept.items():
            if name != CLOCK:
                self._restore(name, state)

    def _restore(self, name: str, written: bytes) -> None:
        version = msgspec.msgpack.decode(written)[0]
        if version != STATE_VERSION:
            raise ConfigurationInvalid(
                f"state of {name}",
                f"it was written by another version of the worker ({version}; this one writes {STATE_VERSION}). Let "
                "that version go on, or begin anew in another IOC_NAMESPACE",
            )
        kept = msgspec.msgpack.decode(written, type=_Kept)
        state = self._kind.new(name)
        if state is not None:
            state.restore(msgspec.msgpack.decode(kept.state, type=self._kind.snapshot))
            # no rows follow from this, unless the site file was changed since: then they are owed now
            self._owed[name] = self._advance_to_clock(state)
            self._sources[name] = _Source(state, kept.offset)

    def _advance_to_clock(self, state: SourceState) -> Outputs:
        listening = self._clock.listening
        return Outputs() if listening.clock_us == NEVER_US else state.advance(listening)

    @property
    def included(self) -> int:
        """The offset up to which everything is included, -1 at the beginning."""
        return self._clock.offset

    def process(self, records: Iterable[Record]) -> Batch:
        """Records in the order of the log; those that are included already change nothing."""
        batch = Batch()
        changed = {name for name, outputs in self._owed.items() if outputs.rows}
        for name in changed:
            batch.rows += self._owed[name].rows
            batch.alarms += self._owed[name].alarms
        self._owed.clear()
        for record in records:
            if record.offset > self._clock.offset:
                self._process(record, batch, changed)
                self._clock.offset = record.offset
        for name in sorted(changed):
            batch.states[name] = self._snapshot(self._sources[name])
        batch.states[CLOCK] = msgspec.msgpack.encode(self._clock)
        return batch

    def _process(self, record: Record, batch: Batch, changed: set[str]) -> None:
        try:
            event = codec.decode_input(record.value)
            if isinstance(event, Tick):
                self._tick(event, record, batch, changed)
            else:
                self._event(event, record, batch, changed)
        except RejectedEvent as fault:
            self._refuse(record, fault, 0, batch)

    def _tick(self, tick: Tick, record: Record, batch: Batch, changed: set[str]) -> None:
        check_tick(tick.ticked_at, record.logged_us)
        ticked_us = microseconds(tick.ticked_at)
        listening = self._clock.listening
        if ticked_us <= listening.clock_us:
            return
        listening.tick(ticked_us, self._kind.silent_after_s)
        for name, source in self._sources.items():
            if record.offset > source.offset:
                outputs = source.state.advance(listening)
                source.offset = record.offset
                if outputs.rows:
                    self._include(name, source, outputs, record, batch, changed)

    def _event(self, event: InputEvent, record: Record, batch: Batch, changed: set[str]) -> None:
        if not isinstance(event, self._kind.event):
            kind = type(event).__struct_config__.tag
            raise RejectedEvent("unknown-kind", f"{kind} does not belong on {self._topic}", "$.kind")
        name = self._kind.key(event)
        if record.key != name.encode():
            raise RejectedEvent("wrong-key", f"the message key must be the source's id, {name!r}")
        source = self._sources.get(name) or self._new_source(name)
        if record.offset > source.offset:
            outputs = source.state.apply(event, record.logged_us)
            self._sources[name] = source
            self._include(name, source, outputs, record, batch, changed)

    def _new_source(self, name: str) -> _Source:
        state = self._kind.new(name)
        if state is None:
            raise RejectedEvent("unknown-source", f"the site has no {name!r}")
        self._advance_to_clock(state)
        return _Source(state, -1)

    def _include(
        self, name: str, source: _Source, outputs: Outputs, record: Record, batch: Batch, changed: set[str]
    ) -> None:
        source.offset = record.offset
        changed.add(name)
        batch.rows += outputs.rows
        batch.alarms += outputs.alarms
        for refusal in outputs.refusals:
            self._refuse(record, refusal.fault, refusal.rows, batch)

    def _refuse(self, record: Record, fault: RejectedEvent, rows: int, batch: Batch) -> None:
        letter = codec.dead_letter(
            record.value,
            fault,
            topic=self._topic,
            partition=self._number,
            offset=record.offset,
            key=record.key,
            rows=rows,
        )
        batch.dead_letters.append(letter)
        batch.rows.append(_dead_letter_row(letter, record.logged_us))

    def _snapshot(self, source: _Source) -> bytes:
        state = msgspec.msgpack.encode(source.state.take_snapshot())
        return msgspec.msgpack.encode(_Kept(STATE_VERSION, source.offset, msgspec.Raw(state)))


def _dead_letter_row(letter: DeadLetter, logged_us: int) -> Rows:
    names = {"partition": "kafka_partition", "offset": "kafka_offset"}
    columns = {names.get(name, name): [getattr(letter, name)] for name in letter.__struct_fields__}
    return Rows(DEAD_LETTER, {**columns, "logged_at": [logged_us]})
