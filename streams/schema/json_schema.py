"""JSON Schema (2020-12) of every event kind, from the structs themselves; for people and for other languages.

docs/schema/ holds these documents, committed: ``python -m streams.schema.json_schema docs/schema`` writes them and a
test holds both together. What a schema cannot say (columns of equal length, places that exist) is not in them.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from streams.schema.events import EVENT_KINDS, Event

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def kind_name(kind: type[Event]) -> str:
    """The name on the wire, such as ``tick.v1``."""
    name = kind.__struct_config__.tag
    assert isinstance(name, str)
    return name


def schema(kind: type[Event]) -> dict[str, Any]:
    """The JSON Schema of one kind, with everything that it refers to."""
    found = _without_indentation(msgspec.json.schema(kind))
    return {"$schema": DIALECT, "$id": f"urn:ioc:event:{kind_name(kind)}", "title": kind_name(kind), **found}


def _without_indentation(part: Any) -> Any:
    """Descriptions are docstrings: without the indentation of the source."""
    if isinstance(part, dict):
        return {
            name: inspect.cleandoc(value)
            if name == "description" and isinstance(value, str)
            else _without_indentation(value)
            for name, value in part.items()
        }
    return [_without_indentation(value) for value in part] if isinstance(part, list) else part


def documents() -> dict[str, str]:
    """Text of each document by file name, one a kind."""
    return {
        f"{kind_name(kind)}.json": json.dumps(schema(kind), indent=2, ensure_ascii=False) + "\n" for kind in EVENT_KINDS
    }


if __name__ == "__main__":
    for name, text in documents().items():
        (Path(sys.argv[1]) / name).write_text(text, encoding="utf-8")
