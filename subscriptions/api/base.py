"""The view that every resource builds on: credentials, limits, idempotent POSTs, strict queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from django.db import transaction
from django.db.models import QuerySet
from django_filters import FilterSet  # type: ignore[import-untyped]
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions import limits
from subscriptions.acting import act_as
from subscriptions.api import idempotency, lookups, pagination, shaping
from subscriptions.api.authentication import BearerAuthentication
from subscriptions.api.describing import field_names
from subscriptions.api.errors import Handler as ErrorHandler
from subscriptions.api.errors import InvalidQuery, LengthRequired, LimitReached, TooLarge
from subscriptions.api.lookups import M
from subscriptions.api.negotiation import Negotiation
from subscriptions.api.parsing import StrictJSONParser
from subscriptions.api.permissions import HasScope
from subscriptions.api.rendering import Renderer
from subscriptions.api.schema import ApiSchema
from subscriptions.api.serializers import ApiSerializer, NoBody
from subscriptions.askers import ask_for
from subscriptions.awaited import AwaitedResponse, is_possible
from subscriptions.conf import settings
from subscriptions.credentials import Credential
from subscriptions.filters import says_nothing
from subscriptions.models import Merchant

BLANK: Final = "This is blank. Give a value, or leave the parameter out."
"""What is said of a query parameter without a value: a variable that was never set must not mean everything."""


class ApiView(APIView):
    """A resource of one merchant.

    Attributes:
        scopes: Method → scope, where it differs from `read` for GET and `manage` for the rest.
        limit_kinds: Method → the rate limit that counts it, where it isn't `api`: `publish` has its own, higher one.
        query: Names of the query parameters each GET takes; others are refused, since a misspelt filter that is
            ignored answers another question than the one asked.
        sends: True when POST does something outside the database, so that it can't be undone with a transaction.
        only_reads: True when POST does nothing at all: the same request again is answered anew.
        error_handler: Makes answers of exceptions; `deliveries.api.errors` puts in one that knows more of them.
    """

    # All that REST framework would take from the project's REST_FRAMEWORK, which is the project's own.
    authentication_classes = [BearerAuthentication]
    permission_classes = [HasScope]
    renderer_classes = [Renderer]
    parser_classes = [StrictJSONParser]
    throttle_classes = []
    versioning_class = None
    metadata_class = None
    content_negotiation_class = Negotiation
    schema: Any = ApiSchema()
    error_handler: ClassVar[type[ErrorHandler]] = ErrorHandler
    scopes: ClassVar[Mapping[str, str]] = {}
    limit_kinds: ClassVar[Mapping[str, str]] = {}
    query: ClassVar[tuple[str, ...]] = ()
    sends: ClassVar[bool] = False
    only_reads: ClassVar[bool] = False
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    format_kwarg = None
    quota: limits.Quota | None = None

    @property
    def credential(self) -> Credential:
        """Who asks."""
        credential: Any = self.request.auth
        return credential

    @property
    def merchant(self) -> Merchant:
        """The merchant whose rows this request sees: the only one."""
        return self.credential.merchant

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check who asks, how often and how, before anything is read or done."""
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        self.perform_authentication(request)
        if request.auth is not None:
            act_as(request._request, self.credential.by)
            ask_for(request._request, [self.merchant.pk])
            self._count()
        name = (request.method or "").lower()
        handler = getattr(self, name, None) if name in self.http_method_names else None
        if handler is None and type(self) is not NotFoundView:
            self.http_method_not_allowed(request)
        self.check_permissions(request)
        self._check_query(request)
        _check_length(request)
        if request.method == "POST" and handler is not None and request.auth is not None:
            # Bound on the instance, so that REST framework's dispatch finds it in place of the plain one.
            self.post = idempotency.once(self, handler)

    def get_exception_handler(self) -> Callable[[Exception, Any], Response | None]:
        """Return what makes an answer of an exception."""
        return lambda error, context: self.error_handler(error, context).run()

    def _count(self) -> None:
        kind = self.limit_kinds.get(self.request.method or "", "api")
        rates = limits.rates_of(self.merchant, kind)
        if rates is None:
            return
        counted = self.request.META.get(limits.COUNTED)
        self.quota = counted or limits.take(kind, self.credential.identity, rates, self.merchant.pk)
        if self.quota.blocked_for:
            raise LimitReached(self.quota)

    def _check_query(self, request: Request) -> None:
        allowed = {*self.query, shaping.PARAMETER}
        for name in request.query_params:
            if request.method not in {"GET", "HEAD"} or name not in allowed:
                takes = ", ".join(sorted(allowed)) if request.method in {"GET", "HEAD"} else "none"
                raise InvalidQuery({name[:60]: [f"There is no such query parameter here. There are: {takes}."]})
        if blank := [name for name, values in request.query_params.lists() if any(map(says_nothing, values))]:
            raise exceptions.ValidationError({name: [BLANK] for name in blank}, "blank")
        if shaping.PARAMETER in request.query_params:
            shaping.check_fields(request, field_names(self.get.answer))  # type: ignore[attr-defined]

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Add what stands on every answer."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if self.quota is not None:
            for name, value in self.quota.headers().items():
                response[name] = value
        response["Cache-Control"] = "no-store" if response.status_code >= 400 else "private, no-cache"
        return response

    # --- what comes in -----------------------------------------------------------------------------------------------

    def body(self, shape: type[ApiSerializer] = NoBody, *, partial: bool = False) -> dict[str, Any]:
        """Return the request's members, checked by their serializer; with `partial`, none is required.

        Raises ValidationError (422).
        """
        return shape(partial=partial).run_validation(self.request.data)

    def filtered(self, filterset: type[FilterSet], rows: QuerySet[Any], **whose: Any) -> QuerySet[Any]:
        """Return the rows that the query selects; `whose` is what the filterset must know beside the query.

        Raises ValidationError (422) naming the parameters whose values make no sense.
        """
        found = filterset(data=self.request.query_params, queryset=rows, **whose)
        if not found.is_valid():
            raise exceptions.ValidationError({name: list(errors) for name, errors in found.errors.items()})
        return found.qs

    # --- what goes out -----------------------------------------------------------------------------------------------

    def answer(self, data: Any, *, beside: Mapping[str, Any] | None = None) -> Response:
        """Return a single resource with its ETag, or 304 when the caller holds it already.

        `beside` is told, too, without being part of what the ETag stands for.
        """
        etag = shaping.etag_of(data)
        if shaping.has_it(self.request, etag):
            return Response(status=304, headers={"ETag": etag})
        return Response(
            shaping.reduce({**data, **(beside or {})}, shaping.chosen_fields(self.request)), headers={"ETag": etag}
        )

    @contextmanager
    def as_read(
        self, rows: QuerySet[M], public_id: str, data_of: Callable[[M], Any], *, of: str = "self", **lookup: Any
    ) -> Iterator[M]:
        """Yield one of `rows` if it is as the caller's If-Match says; with such a header, locked for the block.

        Args:
            rows: Where it is looked for.
            public_id: Its id, as the caller gave it.
            data_of: Returns what GET shows of it, which its ETag stands for.
            of: What of the row is locked: itself, or a row that it was selected with.
            lookup: How it is looked for, unless by its public id.

        Raises NotFound (404) and PreconditionFailed (412).
        """
        if not shaping.has_condition(self.request):
            yield lookups.one(rows, public_id, **lookup)
            return
        with transaction.atomic():
            row = lookups.one(rows.select_for_update(no_key=True, of=(of,)), public_id, **lookup)
            shaping.check_match(self.request, data_of(row))
            yield row

    def answer_of(self, awaited: Future[Any], data_of: Callable[[Any], Any]) -> Response | AwaitedResponse:
        """Return an answer that is made of what `awaited` will be; no thread waits for it where the server can."""
        if not is_possible(self.request._request):
            return Response(data_of(awaited.result()))
        renderer, media_type = self.request.accepted_renderer, self.request.accepted_media_type
        context = self.get_renderer_context()

        def make(result: Any) -> bytes:
            body: Any = renderer.render(data_of(result), media_type, context)
            return body

        return AwaitedResponse(awaited, make, content_type=renderer.media_type)

    def pages(
        self, rows: QuerySet[Any] | pagination.Merged, shape: type[ApiSerializer], *, newest_first: bool = True
    ) -> Response:
        """Return a page of a list."""
        response = pagination.page(self.request, rows, shape().to_representation, newest_first=newest_first)
        response.data = shaping.reduce_rows(response.data, shaping.chosen_fields(self.request))
        return response


class NotFoundView(ApiView):
    """Addresses of the API that lead nowhere."""

    schema = None

    def _check_query(self, request: Request) -> None:
        advice = " Leave out the slash at its end." if request.path.endswith("/") else ""
        raise exceptions.NotFound(f"There is no such address in this API.{advice} See /api/docs/.")


def _check_length(request: Request) -> None:
    if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
        raise LengthRequired
    length, limit = request.META.get("CONTENT_LENGTH") or "0", settings.WEBHOOKS_REQUEST_BODY_MAX
    if not length.isdigit():
        raise exceptions.ParseError("The Content-Length is no number.")
    if len(length) > 18 or int(length) > limit:
        raise TooLarge(f"The body has {length[:20]} bytes; one request may have {limit}. Split it.")
