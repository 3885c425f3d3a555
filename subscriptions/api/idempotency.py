"""`Idempotency-Key`: a POST that is sent again under the same key is carried out once (IETF draft of that name).

The key's row is written in the transaction of what the request does, so both stand or neither. A twin that arrives
meanwhile waits on the row's uniqueness for that transaction's end, then finds the answer or, after a failure, its own
turn. An answer belongs to the credential that it was given to, with the rights it had: anybody else's request under the
same key is refused. Only successes are kept: a refused request did nothing and may be fixed and sent again under the
same key.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Final, Protocol

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions import encryption
from subscriptions.api.errors import Conflict
from subscriptions.api.rendering import Renderer
from subscriptions.awaited import AwaitedResponse
from subscriptions.credentials import Credential
from subscriptions.logs import get_logger
from subscriptions.models import IdempotencyKey

log = get_logger(__name__)

KEPT_FOR: Final = timedelta(hours=24)
GIVEN_UP_AFTER: Final = timedelta(minutes=2)
"""When a request that sends something and never ended (its process died) stops holding its key."""
REPLAYED: Final = "Idempotent-Replayed"

Answer = Response | AwaitedResponse

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


class Posting(Protocol):
    """A view whose POSTs are carried out once.

    `sends`: they do something that no transaction takes back. `only_reads`: they do nothing, so nothing is kept.
    """

    sends: ClassVar[bool]
    only_reads: ClassVar[bool]

    @property
    def credential(self) -> Credential:
        """Who asks; the keys are its merchant's."""


class InProgress(Conflict):
    """The twin is still being carried out."""

    default_detail = "A request with this Idempotency-Key is still being carried out. Ask again in a second."
    default_code = "idempotency_key_in_progress"
    wait = 1


def once(view: Posting, handler: Callable[..., Answer]) -> Callable[..., Answer]:
    """Return `handler` (a view's post) so that requests with an Idempotency-Key are carried out once."""

    def post(request: Request, *args: Any, **kwargs: Any) -> Answer:
        key = request.META.get("HTTP_IDEMPOTENCY_KEY")
        if key is None:
            return handler(request, *args, **kwargs)
        if not is_key(key):
            raise exceptions.ParseError("An Idempotency-Key has 1 to 255 visible ASCII characters, such as a UUID.")
        if view.only_reads:  # what it shows of payloads must not outlast them here
            return handler(request, *args, **kwargs)
        body = request._request.body
        claim = _Claim(
            view.credential.merchant.pk, key, fingerprint(request.method or "", request.path, body, view.credential)
        )
        run = _in_parts if view.sends else _in_one_transaction
        return run(claim, lambda: handler(request, *args, **kwargs))

    return post


class _Claim:
    """A request's hold on its key."""

    def __init__(self, merchant_id: int, key: str, fingerprint: str) -> None:
        self.row = IdempotencyKey(merchant_id=merchant_id, key=key, claim=uuid.uuid4().hex, fingerprint=fingerprint)

    def take(self) -> Response | None:
        """Return None when this request is to be carried out, else the first one's answer. Raises Conflict (409)."""
        mine = self.row
        IdempotencyKey.objects.bulk_create([mine], ignore_conflicts=True)
        row = IdempotencyKey.objects.filter(merchant_id=mine.merchant_id, key=mine.key).defer("answer").first()
        if row is None:  # its twin failed between the two statements
            raise InProgress
        if row.claim == mine.claim or self._take_over(row):
            self.row.pk = row.pk
            return None
        if row.fingerprint != mine.fingerprint:
            raise Conflict(
                "This Idempotency-Key was used for another request or by another credential. Use a new key for each.",
                "idempotency_key_reused",
            )
        if row.status is None:
            raise InProgress
        answer = self._answer_of(row)
        return Response(json.loads(answer) if answer else None, row.status, headers={REPLAYED: "true"})

    @staticmethod
    def _answer_of(row: IdempotencyKey) -> str:
        try:
            return str(row.answer)
        except encryption.UndecryptableSecret as error:
            log.error("kept_answer_unreadable", key=row.pk, error=str(error))
            raise Conflict(
                "This request was carried out, but its answer can't be read any more. Look at what it has made.",
                "answer_unreadable",
            ) from error

    def _take_over(self, row: IdempotencyKey) -> bool:
        kept = GIVEN_UP_AFTER if row.status is None else KEPT_FOR
        now = timezone.now()
        if row.created_at > now - kept:
            return False
        fresh = {"claim": self.row.claim, "fingerprint": self.row.fingerprint, "status": None, "created_at": now}
        # Twins may find the old row at once; the condition on its claim lets one of them have it.
        return IdempotencyKey.objects.filter(pk=row.pk, claim=row.claim).update(**fresh) == 1

    def keep(self, response: Response) -> None:
        """Keep a success; give the key back otherwise."""
        if response.status_code < 400:
            answer = "" if response.data is None else Renderer().render(response.data).decode()
            self._write(response.status_code, answer)
        else:
            self.give_back()

    def keeping(self, make: Callable[[Any], bytes], status: int) -> Callable[[Any], bytes]:
        """Return `make` so that the body it makes is kept; the key is given back where it can't make one."""

        def made(result: Any) -> bytes:
            try:
                body = make(result)
            except Exception:
                self.give_back()
                raise
            self._write(status, body.decode())
            return body

        return made

    def give_back(self) -> None:
        """Let the key be used again."""
        self._held().delete()

    def _write(self, status: int, answer: str) -> None:
        self._held().update(status=status, answer=answer)

    def _held(self) -> QuerySet[IdempotencyKey]:
        return IdempotencyKey.objects.filter(pk=self.row.pk, claim=self.row.claim)


def _in_one_transaction(claim: _Claim, carry_out: Callable[[], Any]) -> Answer:
    with transaction.atomic():
        answer = claim.take()
        if answer is None:
            answer = carry_out()
            claim.keep(answer)
        return answer


def _in_parts(claim: _Claim, carry_out: Callable[[], Answer]) -> Answer:
    """Carry out a request that talks to the outside: no transaction stays open meanwhile, and twins are turned away."""
    earlier = claim.take()
    if earlier is not None:
        return earlier
    try:
        answer = carry_out()
    except Exception:
        claim.give_back()
        raise
    if isinstance(answer, AwaitedResponse):
        answer.make = claim.keeping(answer.make, answer.status_code)
    else:
        claim.keep(answer)
    return answer


def is_key(text: str) -> bool:
    """Tell whether a header's value can be an Idempotency-Key."""
    return _KEY.fullmatch(text) is not None


def fingerprint(method: str, path: str, body: bytes, credential: Credential) -> str:
    """Return what tells a request from another under the same key: who asks, with which rights, and for what."""
    rights = f"{credential.identity} {','.join(sorted(credential.scopes))} {credential.may_manage_keys}"
    digest = hashlib.sha256(f"{method} {path}\n{rights}\n".encode())
    digest.update(body)
    return digest.hexdigest()


def kept(*, merchant_id: int, key: str, fingerprint: str, status: int, answer: str) -> IdempotencyKey:
    """Return the row that keeps a success, for `keep`."""
    claim = uuid.uuid4().hex
    return IdempotencyKey(
        merchant_id=merchant_id, key=key, claim=claim, fingerprint=fingerprint, status=status, answer=answer
    )


def known(keys: Collection[tuple[int, str]]) -> set[tuple[int, str]]:
    """Return those of these merchants' keys that are in use, expired ones included."""
    if not keys:
        return set()
    merchants, texts = zip(*keys, strict=True)
    rows = IdempotencyKey.objects.filter(merchant_id__in=set(merchants), key__in=set(texts))
    return set(rows.values_list("merchant_id", "key")) & set(keys)


def keep(rows: Sequence[IdempotencyKey]) -> None:
    """Keep answers in the transaction of what they answer. Raises IntegrityError when a key is in use already."""
    IdempotencyKey.objects.bulk_create(rows)
