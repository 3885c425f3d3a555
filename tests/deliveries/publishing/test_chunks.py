"""Unrelated requests stored with one statement: each keeps its own events, ids, counts and failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection

from deliveries.db import direct_session, engine_session
from deliveries.models import Delivery, Event
from deliveries.publishing import service, storing
from deliveries.publishing.chunks import Uncertain, publish_chunk
from deliveries.publishing.service import Checked, IdTaken, Published
from deliveries.publishing.validation import NewEvent
from subscriptions import services
from subscriptions.models import Merchant
from subscriptions.services import NewMerchant
from tests.support.api_fixtures import other_shop, shop
from tests.support.engine import statements

__all__ = ["other_shop", "shop"]

pytestmark = pytest.mark.django_db(transaction=True)


def checked(merchant: Merchant, *ids: str | None, event: str = "order.created") -> Checked:
    return service.check([NewEvent(event, {"n": 1}, id=each) for each in ids], merchant)


@pytest.fixture
def listening(shop: NewMerchant, other_shop: NewMerchant) -> tuple[Merchant, Merchant]:
    services.create_webhook(merchant=shop.merchant, url="http://127.0.0.1:9/a", events=["order.*"], dialect="alva")
    return shop.merchant, other_shop.merchant


def test_each_request_gets_its_own_results_in_order(listening: tuple[Merchant, Merchant]):
    one, other = listening
    results = publish_chunk(
        [
            checked(other, "a"),
            checked(one, "a", "b"),
            checked(other, "c", event="product.purchased"),
            checked(one, None),
        ]
    )
    told = [[(each.event_id, each.event, each.deliveries) for each in result] for result in results]  # type: ignore[union-attr]
    assert told[:3] == [
        [("a", "order.created", 0)],
        [("a", "order.created", 1), ("b", "order.created", 1)],
        [("c", "product.purchased", 0)],
    ]
    assert told[3][0][0].startswith("evt_")
    assert told[3][0][2] == 1
    assert Event.objects.count() == 5
    assert Delivery.objects.count() == 3


def test_an_id_in_two_requests_is_stored_for_the_first(listening: tuple[Merchant, Merchant]):
    one, _ = listening
    results = publish_chunk([checked(one, "same"), checked(one, "same", "new")])
    assert [[each.duplicate for each in result] for result in results] == [[False], [True, False]]  # type: ignore[union-attr]
    assert Event.objects.count() == 2


@pytest.fixture
def refused() -> Iterator[str]:
    """An event id that the database refuses."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.public_id = 'bad' THEN RAISE EXCEPTION 'refused'; END IF; RETURN NEW; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON webhooks_deliveries_event FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    yield "bad"
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse ON webhooks_deliveries_event; DROP FUNCTION refuse()")


def filtered(merchant: Merchant) -> None:
    """Add a webhook whose filter needs a second statement; it passes every event of these tests."""
    services.create_webhook(
        merchant=merchant, url="http://127.0.0.1:9/f", events=["product.*"], dialect="alva", filter="data.n == `1`"
    )


def ids(result: object) -> list[str]:
    assert isinstance(result, list), result
    return [each.event_id for each in result]


@pytest.mark.parametrize("count", [1, 100])
def test_a_chunk_is_one_statement_and_one_commit(listening: tuple[Merchant, Merchant], count: int) -> None:
    one, other = listening
    requests = [checked((one, other)[nth % 2], None) for nth in range(count)]
    with statements() as seen:
        results = publish_chunk(requests)
    assert len(seen) == 1
    assert sum(len(ids(result)) for result in results) == Event.objects.count() == count
    assert Delivery.objects.count() == len(requests[::2])


def test_requests_that_need_a_decision_share_a_transaction_of_their_own(listening: tuple[Merchant, Merchant]) -> None:
    one, other = listening
    filtered(one)
    requests = [
        checked(one, "a"),
        checked(one, "b", event="product.purchased"),
        checked(other, "c", event="product.purchased"),
        checked(one, "d", event="product.purchased"),
    ]
    with statements() as seen:
        results = publish_chunk(requests)
    assert [[(each.event_id, each.deliveries) for each in result] for result in results] == [  # type: ignore[union-attr]
        [("a", 1)],
        [("b", 1)],
        [("c", 0)],
        [("d", 1)],
    ]
    assert len(seen) == 5  # a and c; what decides, to foresee it; b and d; what decides now; what was decided
    assert Delivery.objects.count() == 3


def test_all_events_of_a_batch_wait_for_the_one_that_needs_a_decision(
    listening: tuple[Merchant, Merchant], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = listening
    filtered(one)
    batch = service.check([NewEvent("order.created", {"n": 1}), NewEvent("product.purchased", {"n": 1})], one)

    def broken(*_args: object) -> None:
        raise IntegrityError("the second statement failed")

    with monkeypatch.context() as patch:
        patch.setattr("deliveries.publishing.fanout.decide", broken)
        [failed] = publish_chunk([batch])
        assert isinstance(failed, IntegrityError)
        with pytest.raises(IntegrityError):
            service.publish_many([NewEvent("order.created", {}), NewEvent("product.purchased", {})], merchant=one)
    assert not Event.objects.exists()
    [published] = publish_chunk([batch])
    assert [each.deliveries for each in published] == [1, 1]  # type: ignore[union-attr]


def test_a_row_that_the_database_refuses_takes_no_other_request_with_it(
    listening: tuple[Merchant, Merchant], refused: str
) -> None:
    one, other = listening
    first, failed, last = publish_chunk([checked(one, "a"), checked(one, refused), checked(other, "c")])
    assert isinstance(failed, Exception)
    assert not isinstance(failed, Uncertain)
    assert [ids(first), ids(last)] == [["a"], ["c"]]
    assert set(Event.objects.values_list("public_id", flat=True)) == {"a", "c"}


def test_an_id_whose_first_request_failed_is_no_duplicate_in_the_second(
    listening: tuple[Merchant, Merchant], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = listening
    failing = checked(one, "same")
    failing.rows = [failing.rows[0]._replace(data="x\0")]  # which PostgreSQL refuses
    first, second = publish_chunk([failing, checked(one, "same")])
    assert isinstance(first, Exception)
    assert [each.duplicate for each in second] == [False]  # type: ignore[union-attr]
    assert Event.objects.count() == 1


def test_what_is_kept_of_a_request_stands_or_falls_with_its_events(listening: tuple[Merchant, Merchant]) -> None:
    one, other = listening
    kept: list[tuple[int, list[str]]] = []

    def keep(results: Sequence[tuple[int, list[Published]]]) -> None:
        kept.extend((place, ids(published)) for place, published in results)
        if any(each.event_id == "bad" for _place, published in results for each in published):
            raise IntegrityError("refused")

    requests = [checked(one, "a"), checked(one, "bad"), checked(other, "c"), checked(one, "d")]
    first, failed, third, last = publish_chunk(requests, keep=keep, kept=[0, 1, 2])
    assert isinstance(failed, IntegrityError)
    assert [ids(each) for each in (first, third, last)] == [["a"], ["c"], ["d"]]
    assert set(Event.objects.values_list("public_id", flat=True)) == {"a", "c", "d"}
    assert 3 not in {place for place, _ in kept}
    assert kept[-3:] == [(0, ["a"]), (1, ["bad"]), (2, ["c"])]


def test_a_commit_that_fails_is_told_as_uncertain_and_not_tried_again(
    listening: tuple[Merchant, Merchant], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def break_off() -> None:
        calls.append(1)
        raise OperationalError("the connection broke off")

    monkeypatch.setattr(connection, "_commit", break_off)
    requests = [checked(listening[0], "a"), checked(listening[0], "b")]
    results = publish_chunk(requests, keep=lambda _results: None, kept=[0, 1])
    monkeypatch.undo()
    assert all(isinstance(result, Uncertain) for result in results)
    assert calls == [1]


def test_a_session_that_breaks_off_amid_the_statement_leaves_doubt(
    listening: tuple[Merchant, Merchant],
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;"
            "CREATE TRIGGER break_off BEFORE INSERT ON webhooks_deliveries_event"
            " FOR EACH ROW EXECUTE FUNCTION break_off()"
        )
    try:
        results = publish_chunk([checked(listening[0], "a"), checked(listening[0], "b")])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION break_off CASCADE")
    assert all(isinstance(result, Uncertain) for result in results)
    [again] = publish_chunk([checked(listening[0], "a")])
    assert ids(again) == ["a"]


def test_a_session_that_ended_while_idle_costs_no_request(listening: tuple[Merchant, Merchant]) -> None:
    one, _ = listening
    publish_chunk([checked(one, "a")])
    with engine_session.engine_session() as session:
        pid = session.info.backend_pid
    with psycopg.connect(**_plain_parameters(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    [result] = publish_chunk([checked(one, "b")])
    assert ids(result) == ["b"]


def test_a_wake_up_that_fails_is_not_told_as_the_request_s_failure(
    listening: tuple[Merchant, Merchant], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_webhooks: object) -> None:
        raise OperationalError("somewhere after the commit")

    monkeypatch.setattr("deliveries.queueing.wakeups.wake", broken)
    [result] = publish_chunk([checked(listening[0], "a")])
    assert ids(result) == ["a"]
    assert Event.objects.count() == 1


def _plain_parameters() -> dict[str, object]:
    given = connection.settings_dict
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return {name: given[key] for name, key in named.items() if given[key]}


def test_an_id_that_stands_for_another_event_is_refused_and_nothing_else_is(
    listening: tuple[Merchant, Merchant],
) -> None:
    one, other = listening
    publish_chunk([checked(one, "a")])
    results = publish_chunk(
        [
            checked(one, "a"),
            checked(other, "a", event="order.paid"),
            checked(one, "a", event="order.paid"),
            checked(one, "b", "a", event="order.paid"),
            checked(one, "c"),
        ]
    )
    assert [isinstance(result, IdTaken) for result in results] == [False, False, True, True, False]
    assert [each.duplicate for each in results[0]] == [True]  # type: ignore[union-attr]
    assert sorted(Event.objects.values_list("public_id", flat=True)) == ["a", "a", "c"]


def test_only_ids_of_callers_are_looked_up_before_they_are_stored() -> None:
    """An id made just now is new: ON CONFLICT would look for it twice, and confirm the row in the WAL."""
    assert "ON CONFLICT" in storing._SQL["publish"]
    assert "ON CONFLICT" not in storing._PUBLISH_NEW
    assert len(storing._SQL["publish"]) - len(storing._PUBLISH_NEW) == len(storing._DO_NOTHING)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["publish", "publish of new ids"])
def test_no_step_of_storing_compares_all_rows_with_all(name: str) -> None:
    """A thousand events cost ten times a hundred. Joins of a statement's own rows were nested loops."""
    statement = storing._SQL["publish"] if name == "publish" else storing._PUBLISH_NEW
    with engine_session.engine_session() as session:
        native, names = direct_session.native(statement)
        session.execute(b"PREPARE asked AS " + native)
        plan = session.execute(f"EXPLAIN EXECUTE asked({', '.join(['NULL'] * len(names))})").fetchall()
        session.execute("DEALLOCATE asked")
    text = "\n".join(line for (line,) in plan)
    assert text.count("Nested Loop") == 2, "events to subscriptions to webhooks, by their indexes"
    assert "hashed SubPlan" in text
    assert "(SubPlan" not in text, "asked for each row, a look at them all"
