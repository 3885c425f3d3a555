"""A chunk of requests to publish: everybody's limits in one call to Redis, all events in one statement."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import IntegrityError

from deliveries.api import publish_requests
from deliveries.api.publish_requests import Answer, Headers, Request
from deliveries.db.outages import is_outage
from deliveries.publishing import chunks
from deliveries.publishing.chunks import Keep, Uncertain
from deliveries.publishing.readings import DEAR_SECONDS, PutOff, is_costly, is_decided, note_dear
from deliveries.publishing.service import Checked, IdTaken, Published
from deliveries.sending import tracing
from subscriptions import limits
from subscriptions.api import idempotency
from subscriptions.conf import settings
from subscriptions.credentials import Credential
from subscriptions.known_keys import KnownKeys
from subscriptions.limits import Caller, Quota
from subscriptions.logs import get_logger

log = get_logger(__name__)

DEAR_EACH_MORE: Final = 0.0001
"""Seconds of the thread's processor that reading each further event of a batch may take, beside DEAR_SECONDS."""

Outcomes = list[tuple[Request, Answer | None]]
"""Requests with their answers; None leaves one to its view."""


@dataclass(slots=True)
class Job:
    """A request on its way: who asks, what it publishes, and what stands on its answer."""

    request: Request
    token: str
    site_headers: Headers
    credential: Credential
    checked: Checked
    quota: Quota | None = None


class Chunks:
    """Carries out chunks, one after the other, on one thread. `site_headers`: see Publisher."""

    def __init__(self, site_headers: Callable[[Any], Headers | None]) -> None:
        self._site_headers = site_headers
        self._keys = KnownKeys()

    def carry_out(self, chunk: Sequence[tuple[Request, str]]) -> tuple[Outcomes, list[Job]]:
        """Return what became of requests, given with their API keys, and those that `decide` is to store.

        Raises only where nobody can say.
        """
        outcomes: Outcomes = []
        jobs = _without_replays(self._prepared(chunk, outcomes), outcomes)
        if jobs and self._count(jobs):  # a key has ended, or a merchant changed, since they were looked up
            jobs = self._prepared([(job.request, job.token) for job in jobs], outcomes)
            for job in jobs:
                job.quota = job.request.quota
        passed: list[Job] = []
        put_off: list[Job] = []
        for job in jobs:
            if job.quota is not None and job.quota.blocked_for:
                outcomes.append((job.request, publish_requests.refusal(job.request, job.site_headers, job.quota)))
            else:  # asked once: another thread may learn the opposite at any time
                (put_off if _needs_decisions(job) else passed).append(job)
        stored, more = _stored(passed, decide=False)
        return outcomes + stored, put_off + more

    def _prepared(self, chunk: Sequence[tuple[Request, str]], outcomes: Outcomes) -> list[Job]:
        """Return what is to be done; requests that are a view's affair go to `outcomes`."""
        jobs = []
        for request, token in chunk:
            job = None
            try:
                job = self._prepare(request, token)
            except Exception as error:
                if is_outage(error):
                    log.warning("answered_unavailable", error=str(error)[:200], request_id=_request_id(request))
                    headers = self._site_headers(request) or []
                    outcomes.append((request, publish_requests.failure(request, error, headers, None)))
                    continue
                log.exception("publisher_left_to_view", request_id=_request_id(request))  # the view meets it, too
            if job is None:
                outcomes.append((request, None))
            else:
                jobs.append(job)
        return jobs

    def _prepare(self, request: Request, token: str) -> Job | None:
        site_headers = self._site_headers(request)
        credential = None if site_headers is None else self._keys.credential(token)
        if credential and is_costly(credential.merchant.pk):
            return None  # its view is where nobody waits behind it
        checked = credential and _checked(request, credential)
        return Job(request, token, site_headers or [], credential, checked) if credential and checked else None

    def _count(self, jobs: Sequence[Job]) -> bool:
        """Count the requests against their limits. True when what is remembered of keys is outdated."""
        known = {job.credential.identity: job.credential.merchant for job in jobs}
        rates = {name: limits.rates_of(merchant, "publish") for name, merchant in known.items()}
        asked = Counter(job.credential.identity for job in jobs)
        callers = [
            Caller(name, limit, asked[name], known[name].pk) for name, limit in rates.items() if limit is not None
        ]
        quotas, version = limits.limiter(settings.REDIS_URL).take_many("publish", callers)
        left = {caller.identity: iter(each) for caller, each in zip(callers, quotas, strict=True)}
        for job in jobs:
            job.quota = next(left[job.credential.identity]) if job.credential.identity in left else None
            job.request.quota = job.quota  # should it be left to its view after all
        return self._keys.is_outdated(version)


def _checked(request: Request, credential: Credential) -> Checked | None:
    """Return a request's events. What it takes to read them counts against the merchant, as its filters do."""
    checked = None
    began = time.thread_time()
    try:
        checked = publish_requests.events_of(request, credential)
        return checked
    finally:
        took = time.thread_time() - began
        more = len(checked.rows) - 1 if checked else 0
        if took > DEAR_SECONDS + more * DEAR_EACH_MORE:
            note_dear(credential.merchant.pk, took)


def _without_replays(jobs: list[Job], outcomes: Outcomes) -> list[Job]:
    """Leave requests whose Idempotency-Key is in use to the view, before they are counted: the view counts, too."""
    keys = {id(job): (job.checked.merchant_id, key) for job in jobs if (key := _key(job.request)) is not None}
    known = idempotency.known(set(keys.values()))
    outcomes += [(job.request, None) for job in jobs if keys.get(id(job)) in known]
    return [job for job in jobs if keys.get(id(job)) not in known]


def _request_id(request: Request) -> str | None:
    return request.headers.get("x-request-id")


def _key(request: Request) -> str | None:
    return request.headers.get("idempotency-key")


def decide(jobs: Sequence[Job]) -> Outcomes:
    """Store requests whose webhooks' filters, fields and orders are to be asked. Raises as `Chunks.carry_out`."""
    outcomes, _none = _stored(jobs, decide=True)
    return outcomes


def _needs_decisions(job: Job) -> bool:
    """Tell whether others would wait for a decision: such requests were put off a moment ago."""
    return any(is_decided(row.merchant_id, row.type) for row in job.checked.rows)


def _stored(jobs: Sequence[Job], *, decide: bool) -> tuple[Outcomes, list[Job]]:
    """Store what passed; return the outcomes, and what was put off."""
    outcomes: Outcomes = []
    put_off: list[Job] = []
    keyed = [place for place, job in enumerate(jobs) if _key(job.request) is not None]
    checked = [job.checked for job in jobs]
    results = chunks.publish_chunk(checked, keep=_keeping(jobs), kept=keyed, decide=decide) if jobs else []
    for job, result in zip(jobs, results, strict=True):
        if isinstance(result, PutOff):
            put_off.append(job)
        elif isinstance(result, list):
            tracing.published(job.request.headers, result)
            outcomes.append((job.request, publish_requests.answer(job.request, result, job.site_headers, job.quota)))
        elif isinstance(result, Uncertain) or is_outage(result):
            uncertain, named = isinstance(result, Uncertain), _request_id(job.request)
            log.error("publish_failed", error=str(result), uncertain=uncertain, request_id=named)
            outcomes.append((job.request, publish_requests.failure(job.request, result, job.site_headers, job.quota)))
        elif isinstance(result, IdTaken):
            outcomes.append((job.request, publish_requests.id_taken(job.request, result, job.site_headers, job.quota)))
        else:  # nothing was stored: the view tries again, or finds the answer that was kept
            outcomes.append((job.request, None))
    return outcomes, put_off


def _keeping(jobs: Sequence[Job]) -> Keep:
    """Return what keeps the answers of requests with an Idempotency-Key in the transaction of their events.

    A twin's key, stored at this very moment, breaks the transaction: its requests are then stored one by one, and that
    one goes to the view, which repeats the twin's answer.
    """

    def keep(results: Sequence[tuple[int, list[Published]]]) -> None:
        rows = []
        for place, published in results:
            request = jobs[place].request
            kept = publish_requests.answer(request, published, [], None)
            rows.append(
                idempotency.kept(
                    merchant_id=jobs[place].checked.merchant_id,
                    key=_key(request) or "",
                    fingerprint=idempotency.fingerprint(
                        request.method, request.path, request.body, jobs[place].credential
                    ),
                    status=kept.status,
                    answer=kept.body.decode(),
                )
            )
        if len({(row.merchant_id, row.key) for row in rows}) < len(rows):
            raise IntegrityError("Two requests of one chunk have the same Idempotency-Key.")
        idempotency.keep(sorted(rows, key=lambda row: (row.merchant_id, row.key)))

    return keep
