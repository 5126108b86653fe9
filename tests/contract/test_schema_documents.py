"""The committed documents are what the code generates; if not, the message says which command writes them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from streams.ingest import openapi
from streams.ingest.reading import Batch, decode
from streams.schema.json_schema import documents

DOCS = Path(__file__).parents[2] / "docs"


def test_json_schemas_are_as_generated() -> None:
    committed = {file.name: file.read_text(encoding="utf-8") for file in (DOCS / "schema").glob("*.json")}
    assert committed == documents(), "write them anew: python -m streams.schema.json_schema docs/schema"


@pytest.mark.parametrize("name", sorted(documents()))
def test_json_schema_is_a_json_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(documents()[name]))


def test_openapi_is_as_generated() -> None:
    committed = (DOCS / "openapi.json").read_text(encoding="utf-8")
    assert committed == openapi.text(), "write it anew: python -m streams.ingest.openapi docs/openapi.json"


def test_every_reference_of_the_openapi_document_leads_somewhere() -> None:
    text = openapi.text()
    schemas = openapi.document()["components"]["schemas"]
    references = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert references <= set(schemas)
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_the_example_of_the_openapi_document_is_accepted() -> None:
    body = json.dumps(openapi.EXAMPLE).encode()
    assert len(decode(body)) == 1
    validator = jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{Batch.__name__}", "components": openapi.document()["components"]}
    )
    validator.validate(openapi.EXAMPLE)
