"""Unrelated requests stored together: those that arrive at the same moment share a statement and its commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from django.db import Error, transaction

from deliveries.db import outages
from deliveries.db.engine_session import ensure_session
from deliveries.publishing import service, storing
from deliveries.publishing.readings import Costly, PutOff, Readings, is_costly
from deliveries.publishing.service import Checked, Published
from deliveries.publishing.storing import Stored
from subscriptions.logs import get_logger

log = get_logger(__name__)

Result = list[Published] | Exception
"""What became of one request's events, in their order; or what kept them from being stored."""
Keep = Callable[[Sequence[tuple[int, list[Published]]]], None]


class Uncertain(Exception):
    """The session broke off amid a commit: whether the events are stored, nobody can say. Trying again may double."""


def publish_chunk(
    requests: Sequence[Checked], *, keep: Keep | None = None, kept: Iterable[int] = (), decide: bool = True
) -> list[Result]:
    """Store the events of unrelated requests: one statement in autocommit for all that need no transaction.

    Each request stands alone: all of its events are stored or none, and one that fails takes no other with it; where
    requests fail together, they are stored one by one.

    Args:
        requests: Checked events, those of a request together.
        keep: Called in the transaction that stores requests named in `kept`, with their places in `requests` and what
            became of them; once more for each alone when they fail together. What it raises is the requests' failure.
        kept: Places of requests that `keep` is called for. These share one transaction.
        decide: Ask webhooks' filters, chosen fields and orders; else requests that need it are PutOff.

    Returns:
        A result a request, in their order; Costly or PutOff for one that must be stored elsewhere. Never raises.
    """
    return _Chunk(requests, keep, frozenset(kept), decide=decide).run()


class _Chunk:
    def __init__(self, requests: Sequence[Checked], keep: Keep | None, kept: frozenset[int], *, decide: bool) -> None:
        self._requests, self._keep, self._kept, self._decide = requests, keep, kept, decide
        self._results: dict[int, Result] = {}
        self._readings = Readings(shared=True)

    def run(self) -> list[Result]:
        together, later = self._independent()
        in_transaction = [place for place in together if place in self._kept]
        if at_once := self._attempt([place for place in together if place not in self._kept], self._at_once):
            if self._decide:
                wanted = {*in_transaction, *at_once}
                in_transaction = [place for place in together if place in wanted]  # in the order of their ids
            else:
                self._results |= {place: PutOff() for place in at_once}
        self._attempt(in_transaction, self._in_transaction)
        for place in later:
            self._attempt([place], self._in_transaction)
        return [self._results[place] for place in range(len(self._requests))]

    def _independent(self) -> tuple[list[int], list[int]]:
        """Return the places of requests that may share a statement, and of those that are stored alone, after them.

        Alone go batches that take turns, and requests with an id that one before them has: should that one fail, they
        are no duplicates. Requests with an id of their own are put in the order of these, the same in every process,
        so that two chunks never wait for each other's rows.
        """
        together, later = [], []
        seen: set[tuple[int, str]] = set()
        for place, request in enumerate(self._requests):
            ids = {(row.merchant_id, row.public_id) for row in request.rows} if request.own_ids else set()
            if service.takes_turns(request) or ids & seen:
                later.append(place)
            else:
                together.append((sorted(ids), place))
            seen |= ids
        return [place for _ids, place in sorted(together)], later

    def _attempt(self, places: list[int], store: Callable[[list[int]], list[int]]) -> list[int]:
        """Store requests together, or, if that fails, one by one. Returns those that need a transaction."""
        if not places:
            return []
        try:
            return store(places)
        except Exception as error:  # noqa: BLE001 - whose failure it is shows when each is alone
            if len(places) == 1 or isinstance(error, Uncertain) or _concerns_all(error):
                self._results |= dict.fromkeys(places, error)
                return []
            log.info("chunk_failed", requests=len(places), error=str(error))
            return [left for place in places for left in self._attempt([place], store)]

    def _at_once(self, places: list[int]) -> list[int]:
        ensure_session()  # that none can be had leaves no doubt: nothing was stored
        try:
            stored = self._store(places)
        except Error as error:
            if outages.may_have_happened(error):
                raise Uncertain(str(error)) from error
            raise
        self._results |= self._told(places, stored)
        return [place for place, made in zip(places, stored, strict=True) if made is None]

    def _in_transaction(self, places: list[int]) -> list[int]:
        costly = [place for place in places if is_costly(self._requests[place].merchant_id)]
        self._results |= {place: Costly() for place in costly}
        places = [place for place in places if place not in costly]
        if not places:
            return []
        committing = False
        try:
            with transaction.atomic():
                for merchant_id in sorted({each.merchant_id for each in self._of(places) if service.takes_turns(each)}):
                    storing.take_turns(merchant_id)
                results = self._told(places, self._store(places))
                if len(places) == 1 and isinstance(failure := results[places[0]], Exception):
                    raise failure  # of a batch some events may be stored
                if self._keep is not None:
                    kept = [(place, each) for place in places if isinstance(each := results[place], list)]
                    self._keep([(place, each) for place, each in kept if place in self._kept])
                committing = True
        except Exception as error:
            if committing:
                raise Uncertain(str(error)) from error
            raise
        self._results |= results
        return []

    def _of(self, places: Sequence[int]) -> list[Checked]:
        return [self._requests[place] for place in places]

    def _store(self, places: Sequence[int]) -> list[list[Stored | None] | None]:
        requests = self._of(places)
        entries = {name: entry for each in requests for name, entry in each.entries.items()}
        new_ids = not any(each.own_ids for each in requests)
        return storing.store_requests(
            [each.rows for each in requests], entries, self._readings, new_ids=new_ids, decide=self._decide
        )

    def _told(self, places: Sequence[int], stored: Sequence[list[Stored | None] | None]) -> dict[int, Result]:
        return {
            place: _result(self._requests[place], made)
            for place, made in zip(places, stored, strict=True)
            if made is not None
        }


def _result(request: Checked, made: Sequence[Stored | None]) -> Result:
    try:
        service.refuse_other_content(request.rows, made)
    except service.IdTaken as taken:
        return taken
    return [service.published(row, each) for row, each in zip(request.rows, made, strict=True)]


def _concerns_all(error: Exception) -> bool:
    """Tell whether the database, not a request, is at fault: asking again for each would only take longer."""
    state = outages.sqlstate(error)
    return outages.is_outage(error) and not state.startswith(("40", "55", "XX"))
