from __future__ import annotations

import json

import pytest

from subscriptions import event_types
from subscriptions.event_types import CatalogueError
from subscriptions.event_types.documents import parse_document

EVENT = {
    "name": "order.created",
    "group": "order",
    "description": "An order was created.",
    "schema": {"$ref": "#/$defs/order"},
    "example": {"id": "1"},
}
DOCUMENT = {"source": "alva", "title": "Alva", "definitions": {"order": {"type": "object"}}, "events": [EVENT]}


def without(value: dict, *keys: str) -> dict:
    return {key: held for key, held in value.items() if key not in keys}


def with_event(**changes: object) -> dict:
    return {**DOCUMENT, "events": [{**EVENT, **changes}]}


def test_a_schema_carries_the_definitions_it_needs_and_no_others():
    definitions = {"money": {"type": "number"}, "order": {"properties": {"total": {"$ref": "#/$defs/money"}}}, "x": {}}
    events = [EVENT, {**EVENT, "name": "x.created", "schema": {"$ref": "#/$defs/x"}}]
    document = parse_document("alva", json.dumps({**DOCUMENT, "definitions": definitions, "events": events}))
    assert [list(event["schema"]["$defs"]) for event in document.events] == [["money", "order"], ["x"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({**DOCUMENT, "colour": 1}, "alva.json: unknown colour"),
        (without(DOCUMENT, "title"), "alva.json: title missing"),
        ({**DOCUMENT, "source": "shopery"}, "source is 'shopery'. Write 'alva'"),
        ({**DOCUMENT, "events": {}}, "events is dict. Write list"),
        ({**DOCUMENT, "events": ["order.created"]}, "an event: str found. Write an object"),
        ({**DOCUMENT, "events": [without(EVENT, "name")]}, "an event: name missing"),
        ({**DOCUMENT, "events": [without(EVENT, "group")]}, "order.created: group missing"),
        (with_event(exmaple={}), "unknown exmaple"),
        (with_event(name="order created"), "space at position 6"),
        (with_event(aliases=["order.*"]), r"contains \*"),
        (with_event(aliases="order-created"), "aliases is str. Write list"),
        (with_event(description="created"), "isn't a sentence"),
        (with_event(schema=True), "schema is bool. Write dict"),
        (with_event(schema={"$ref": "https://example.com/order.json"}), "points to 'https://example.com/order.json'"),
        (with_event(schema={"items": [{"$ref": "#/$defs/ordre"}]}), "points to '#/\\$defs/ordre'"),
        (with_event(schema={"type": "object"}), "no event uses the definitions order"),
        (with_event(example_event={"event": "order.created", "data": {}}), "give either example"),
        ({**DOCUMENT, "events": [without(EVENT, "example")]}, "give either example"),
        (with_event(example=[1]), "the example's data is not an object"),
        (
            {**DOCUMENT, "events": [{**without(EVENT, "example"), "example_event": {"event": "x", "data": {}}}]},
            "body of",
        ),
        ([], "alva.json: list found"),
    ],
)
def test_a_malformed_file_is_refused_naming_the_place(content: object, message: str):
    with pytest.raises(CatalogueError, match=message):
        parse_document("alva", json.dumps(content))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"source": "alva", "source": "alva"}', "'source' occurs twice"),
        ('{"source": 25.50}', "25.50 isn't written as JavaScript"),
        ('{"source": 1.0}', "1.0 isn't written as JavaScript"),
        ('{"source": 1e400}', "1e400 isn't written as JavaScript"),
        ('{"source": NaN}', "NaN is not JSON"),
        ("{", "Fix the JSON"),
    ],
)
def test_json_that_is_not_plain_is_refused(text: str, message: str):
    with pytest.raises(CatalogueError, match=message):
        parse_document("alva", text)


def test_one_name_in_two_files_is_refused_alias_or_not():
    other = {**DOCUMENT, "source": "shopery", "events": [{**EVENT, "name": "x", "aliases": ["order.created"]}]}
    documents = (
        parse_document("alva", json.dumps(DOCUMENT)),
        parse_document("shopery", json.dumps(other)),
    )
    with pytest.raises(CatalogueError, match=r"shopery.json, x: the name order.created is taken in alva.json"):
        event_types.build(documents)
