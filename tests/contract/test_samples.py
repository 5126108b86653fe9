"""Samples of every kind that must decode for ever: they may be added to, never changed.

Each is written as the platform writes it (no field at its default), so that encoding gives the same content back.
Also holds that no kind has a field that could carry an image, a face or a plate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from streams.schema import codec
from streams.schema.events import EVENT_KINDS, Event
from streams.schema.json_schema import kind_name, schema

FOLDER = Path(__file__).parent / "samples"
KINDS = {kind_name(kind): kind for kind in EVENT_KINDS}
SAMPLES = [
    pytest.param(KINDS[file.stem], sample, id=f"{file.stem}: {name}")
    for file in sorted(FOLDER.glob("*.json"))
    for name, sample in json.loads(file.read_text(encoding="utf-8")).items()
]
UNBOUNDED = {
    "traffic-reading.v1.station[]",
    "traffic-reading.v1.gateway",
    "zone-occupancy.v1.level_of_service",
    "traffic-state.v1.station",
    "traffic-state.v1.level_of_service",
    "alarm.v1.alarm",
    "alarm.v1.place",
    "alarm.v1.detail_vi",
    "alarm.v1.detail_en",
    "operator-command.v1.alarm",
    "dead-letter.v1.topic",
    "dead-letter.v1.path",
    "dead-letter.v1.detail",
    "dead-letter.v1.sha256",
    "dead-letter.v1.payload",
    "dead-letter.v1.key",
}
"""Strings without a bound in the struct, each looked at. A new one is bounded in events.py or argued for here."""


def test_every_kind_has_samples() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(KINDS)


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_sample_decodes_and_comes_back(kind: type[Event], sample: dict[str, Any]) -> None:
    wire = json.dumps(sample, ensure_ascii=False).encode()
    event = codec.decode(wire, kind)
    assert json.loads(codec.encode(event)) == sample
    assert codec.decode(codec.encode(event), kind) == event


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_sample_fits_the_published_schema(kind: type[Event], sample: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema(kind)).validate(sample)


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_sample_with_an_unknown_field_is_refused(kind: type[Event], sample: dict[str, Any]) -> None:
    with pytest.raises(codec.RejectedEvent) as refused:
        codec.decode(json.dumps({**sample, "image": "iVBORw0KGgo="}).encode(), kind)
    assert refused.value.reason == "wrong-shape"


def test_no_kind_can_carry_an_image() -> None:
    found: set[str] = set()
    for kind in EVENT_KINDS:
        for path, node in _leaves(msgspec.inspect.type_info(kind), kind_name(kind)):
            name = path.rpartition(".")[2]
            assert not isinstance(
                node,
                msgspec.inspect.BytesType
                | msgspec.inspect.ByteArrayType
                | msgspec.inspect.MemoryViewType
                | msgspec.inspect.AnyType
                | msgspec.inspect.RawType,
            ), f"{path} could carry an image"
            assert not any(word in name for word in ("image", "picture", "photo", "face", "plate", "jpeg", "crop")), (
                path
            )
            if isinstance(node, msgspec.inspect.StrType) and node.max_length is None:
                found.add(path)
    assert found <= UNBOUNDED


def _leaves(node: msgspec.inspect.Type, path: str) -> Iterator[tuple[str, msgspec.inspect.Type]]:
    if isinstance(node, msgspec.inspect.Metadata):
        yield from _leaves(node.type, path)
    elif isinstance(node, msgspec.inspect.StructType):
        for field in node.fields:
            yield from _leaves(field.type, f"{path}.{field.name}")
    elif isinstance(node, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
        yield from _leaves(node.item_type, f"{path}[]")
    elif isinstance(node, msgspec.inspect.DictType):
        yield from _leaves(node.key_type, f"{path}{{key}}")
        yield from _leaves(node.value_type, f"{path}{{}}")
    elif isinstance(node, msgspec.inspect.UnionType):
        for each in node.types:
            yield from _leaves(each, path)
    else:
        yield path, node
