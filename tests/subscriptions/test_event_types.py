from __future__ import annotations

import copy
import json
import shutil
import subprocess

import jsonschema_rs
import pytest

from subscriptions.event_types import (
    ALVA_PRESELECTED,
    OPERATIONS,
    SOURCES,
    CatalogueEntry,
    load,
    load_operations,
    operations_title,
    titles,
)

ENTRIES = load()
OURS = load_operations()
BY_NAME = {entry.name: entry for entry in ENTRIES}
each_entry = pytest.mark.parametrize("entry", [*ENTRIES, *OURS], ids=lambda entry: entry.name)

NAMES = {
    "alva": [
        "order.created",
        "order.paid",
        "order.approved",
        "order.rejected",
        "order.fulfilled",
        "order.refunded",
        "download.created",
        "download.accessed",
        "download.limit_reached",
        "download.expired",
        "download.revoked",
        "file.uploaded",
        "file.updated",
        "file.deleted",
        "file.mapped",
        "customer.first_purchase",
        "customer.repeat_purchase",
    ],
    "litestore": [
        "content.submitted",
        "content.approved",
        "content.rejected",
        "product.purchased",
        "order.completed",
        "order.updated",
        "review.created",
        "review.approved",
        "creator.registered",
        "commission.earned",
        "user.registered",
    ],
    "cryptlex": [
        "license.created",
        "license.expired",
        "license.renewed",
        "activation.created",
        "trial_activation.created",
    ],
    "shopery": ["orders-created"],
}

# Bodies as the documents print them, character for character but for line breaks.
PRINTED = [
    """{ "event": "order.created", "timestamp": "2024-01-15T15:30:00Z", "shop": "yourshop.myshopify.com",
    "api_version": "2024-01", "data": { "order": { "id": "1045", "number": "1045",
    "created_at": "2024-01-15T15:30:00Z", "total": "49.99", "currency": "USD", "financial_status": "paid",
    "customer": { "id": "12345", "email": "customer@example.com", "first_name": "John", "last_name": "Smith",
    "phone": "+1-555-123-4567" }, "line_items": [ { "id": "67890", "product_id": "prod_123",
    "title": "Complete Course Bundle", "quantity": 1, "price": "49.99", "files": [ { "id": "file_abc123",
    "filename": "Chapter-1.pdf", "size": 2500000, "download_url": "https://..." } ] } ],
    "download_link": "https://yourshop.com/download?key=...", "expiry_date": "2024-03-15T15:30:00Z",
    "download_limit": 5 } }, "signature": "abc123def456..."}""",
    """{ "event": "download.accessed", "timestamp": "2024-01-15T16:00:00Z", "shop": "yourshop.myshopify.com",
    "data": { "download": { "id": "download_xyz789", "token": "abc123def456", "file": { "id": "file_abc123",
    "filename": "Chapter-1.pdf", "size": 2500000 }, "customer": { "email": "customer@example.com",
    "name": "John Smith" }, "order_number": "1045", "download_count": 1, "download_limit": 5,
    "downloads_remaining": 4, "ip_address": "192.168.1.100", "user_agent": "Mozilla/5.0...",
    "location": { "country": "US", "region": "CA", "city": "San Francisco" } } }}""",
    """{ "event": "content.approved", "id": "evt_content_approved_124", "timestamp": "2024-01-15T11:00:00Z",
    "data": { "contentId": "content-456", "approvedBy": "admin-999", "approvedAt": "2024-01-15T11:00:00Z",
    "commission": { "amount": 25.50, "currency": "USD", "status": "pending" } } }""",
    """{ "event": "commission.earned", "id": "evt_commission_earned_131", "timestamp": "2024-01-15T14:45:00Z",
    "data": { "commissionId": "commission-444", "creatorId": "creator-789", "contentId": "content-456",
    "productId": "prod-123", "orderId": "order-777", "amount": { "value": 4.99, "currency": "USD" }, "rate": 0.1,
    "status": "pending", "earnedAt": "2024-01-15T14:45:00Z" } }""",
]


def validator(schema: dict, *, formats: bool = False) -> jsonschema_rs.Draft202012Validator:
    def deny(uri: str) -> object:
        raise AssertionError(f"the schema wanted {uri}")

    return jsonschema_rs.Draft202012Validator(schema, retriever=deny, validate_formats=formats)


@pytest.mark.parametrize("source", SOURCES)
def test_the_catalogue_holds_every_event_of_each_document_in_its_order(source):
    assert [entry.name for entry in ENTRIES if entry.source == source] == NAMES[source]


def test_the_catalogue_holds_nothing_else():
    assert [entry.name for entry in ENTRIES] == [name for names in NAMES.values() for name in names]


def test_both_spellings_of_shoperys_event_name_one_event():
    assert {entry.name: entry.aliases for entry in ENTRIES if entry.aliases} == {"orders-created": ["order-created"]}


def test_the_groups_are_the_documents_headings():
    assert BY_NAME["download.limit_reached"].group == "download"
    assert BY_NAME["trial_activation.created"].group == "activation"
    assert BY_NAME["orders-created"].group == "orders"
    assert all(entry.group == entry.name.split(".")[0] for entry in ENTRIES if entry.source in {"alva", "litestore"})


def test_alva_preselects_the_events_its_document_shows_ticked():
    ticked = [
        "order.created",
        "order.paid",
        "order.approved",
        "order.rejected",
        "download.created",
        "download.accessed",
    ]
    assert list(ALVA_PRESELECTED) == ticked
    assert set(ticked) <= set(NAMES["alva"])


def test_every_source_has_a_title():
    assert list(titles()) == list(SOURCES)
    assert titles()["alva"] == "Alva Digital Downloads"


def test_our_own_events_stand_apart_from_the_documents():
    assert {entry.source for entry in OURS} == {OPERATIONS}
    assert [entry.name for entry in OURS] == [
        "webhook.failing",
        "webhook.failure_rate",
        "webhook.paused",
        "webhook.certificate_expiring",
        "webhook.disabled",
        "webhook.recovered",
        "delivery.dead",
    ]
    assert not {entry.name for entry in OURS} & set(BY_NAME)
    assert operations_title() == "Webhooks and deliveries"


@each_entry
def test_the_schema_is_valid_and_stands_alone(entry: CatalogueEntry):
    assert entry.schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(entry.schema)
    validator(entry.schema)


@each_entry
@pytest.mark.parametrize("formats", [False, True], ids=["formats_noted", "formats_checked"])
def test_the_schema_accepts_its_own_example(entry: CatalogueEntry, formats: bool):
    validator(entry.schema, formats=formats).validate(json.loads(entry.example))


@each_entry
def test_the_schema_is_open_to_properties_it_does_not_know(entry: CatalogueEntry):
    assert validator(entry.schema).is_valid({**json.loads(entry.example), "added_next_year": [None]})


@each_entry
def test_the_schema_refuses_an_example_with_any_required_property_gone(entry: CatalogueEntry):
    check, example = validator(entry.schema), json.loads(entry.example)
    required = list(required_paths(entry.schema, entry.schema))
    assert required, "a schema that requires nothing says nothing"
    for path in required:
        broken = copy.deepcopy(example)
        holder = broken
        for step in path[:-1]:
            holder = holder[step]
        del holder[path[-1]]
        assert not check.is_valid(broken), path


def required_paths(schema: dict, root: dict, path: tuple[str, ...] = ()):
    """Paths of required properties of objects that are themselves required, lists aside."""
    if "$ref" in schema:
        yield from required_paths(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, path)
    for part in schema.get("allOf", ()):
        yield from required_paths(part, root, path)
    for name in schema.get("required", ()):
        yield (*path, name)
        yield from required_paths(schema["properties"].get(name, {}), root, (*path, name))


def test_the_schema_refuses_a_value_of_another_type():
    data = json.loads(BY_NAME["content.approved"].example)
    data["commission"]["amount"] = "25.50"
    assert not validator(BY_NAME["content.approved"].schema).is_valid(data)


def test_the_schema_accepts_litestores_shorter_test_event():
    data = {"contentId": "content-123", "creatorId": "creator-456"}
    validator(BY_NAME["content.submitted"].schema).validate(data)


@pytest.mark.parametrize("printed", PRINTED, ids=lambda text: json.loads(text)["event"])
def test_a_printed_example_is_kept_as_the_document_has_it(printed: str):
    body = json.loads(printed)
    entry = BY_NAME[body["event"]]
    assert json.loads(entry.example_event) == body
    assert list(json.loads(entry.example_event)) == list(body)
    assert json.loads(entry.example) == body["data"]


def test_every_event_a_document_prints_whole_has_its_body():
    without = {entry.name for entry in ENTRIES if not entry.example_event}
    assert without & set(NAMES["litestore"]) == {"order.updated"}
    assert set(NAMES["alva"]) - without == {"order.created", "download.accessed"}
    assert set(NAMES["cryptlex"]) - without == {"license.created"}
    assert "orders-created" in without


def test_an_example_body_belongs_to_its_event_and_carries_its_data():
    bodies = {entry.name: json.loads(entry.example_event) for entry in ENTRIES if entry.example_event}
    assert all(body["event"] == name for name, body in bodies.items())
    assert all(body["data"] == json.loads(BY_NAME[name].example) for name, body in bodies.items())


def test_cryptlexs_completed_example_has_the_length_its_document_announces():
    body = BY_NAME["license.created"].example_event
    assert json.loads(body)["data"]["key"] == "D08B53-C564F8-463EA5-F16A15-E35D6E-D2559B"
    assert json.loads(body)["triggeredAt"] == "2018-04-20T13:11:34.6926949Z"
    assert len(body.encode()) == 661


def test_a_number_is_stored_as_javascript_writes_it():
    assert '"amount":25.5,' in BY_NAME["content.approved"].example


@pytest.mark.skipif(shutil.which("node") is None, reason="Node isn't installed")
def test_node_writes_every_example_as_it_is_stored():
    stored = [text for entry in [*ENTRIES, *OURS] for text in (entry.example, entry.example_event) if text]
    script = """
        const stored = JSON.parse(require("fs").readFileSync(0, "utf8"));
        console.log(JSON.stringify(stored.map((text) => JSON.stringify(JSON.parse(text)))));
    """
    done = subprocess.run(
        ["node", "-e", script], input=json.dumps(stored), capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == stored


def test_a_loaded_list_is_the_callers_own():
    load().clear()
    assert load() == ENTRIES
