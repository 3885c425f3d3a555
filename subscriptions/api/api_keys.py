"""API keys: listed, made (shown once) and revoked by those who may."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet
from rest_framework import status
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions import services
from subscriptions.api import documents, lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PARAMETERS
from subscriptions.models import ApiKey

_PLAIN = ("name", "prefix", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")


def represent(key: ApiKey) -> dict[str, Any]:
    """Return a key as the API shows it: without its text."""
    return {"id": key.public_id, **{name: getattr(key, name) for name in _PLAIN}}


class KeyView(ApiView):
    """What only owners, and keys that may manage, can do."""

    scopes = {"GET": "manage"}

    def check_permissions(self, request: Request) -> None:
        """Raise PermissionDenied (403) for members who aren't owners, too."""
        super().check_permissions(request)
        if not self.credential.may_manage_keys:
            raise PermissionDenied("Only an owner may work with API keys.", code="missing_role")

    def rows(self) -> QuerySet[ApiKey]:
        """Return the merchant's keys."""
        return ApiKey.objects.filter(merchant=self.merchant)


class ApiKeyList(KeyView):
    """The merchant's keys."""

    query = PARAMETERS

    @describe("List API keys", responses={200: documents.ApiKeyDocument(many=True)}, pages=True)
    def get(self, request: Request) -> Response:
        """Return a page, the newest first, revoked ones included."""
        return self.pages(self.rows(), represent)

    @describe("Make an API key", request=documents.NewApiKeyBody, responses={201: documents.NewApiKeyDocument})
    def post(self, request: Request) -> Response:
        """Make a key and show its text, this once. It can't hold a scope that the caller lacks."""
        body = lookups.members(request.data, known=("name", "scopes", "expires_at", "live"))
        made = services.create_api_key(
            merchant=self.merchant,
            name=lookups.text(body, "name", limit=100),
            scopes=self._scopes(body),
            expires_at=_moment(body),
            created_by=self.credential.user,  # type: ignore[arg-type]
            live=lookups.flag({"live": True} | body, "live"),
        )
        return Response(represent(made.api_key) | {"key": made.text}, status.HTTP_201_CREATED)

    def _scopes(self, body: dict[str, Any]) -> list[str]:
        held = self.credential.scopes
        wanted = body.get("scopes", sorted(held))
        if not isinstance(wanted, list) or not wanted or not all(isinstance(scope, str) for scope in wanted):
            raise ValidationError({"scopes": [f"This must be a list of some of {', '.join(sorted(held))}."]})
        if missing := [scope for scope in wanted if scope in ApiKey.Scope.values and scope not in held]:
            raise PermissionDenied(f'This needs the scope "{missing[0]}" yourself.', code="missing_scope")
        return wanted


class ApiKeyDetail(KeyView):
    """One key."""

    @describe("Read an API key", responses={200: documents.ApiKeyDocument})
    def get(self, request: Request, id: str) -> Response:
        """Return it, without its text."""
        return self.answer(represent(lookups.one(self.rows(), id)))

    @describe("Revoke an API key", responses={204: None})
    def delete(self, request: Request, id: str) -> Response:
        """End it at once; it stays in the list."""
        services.revoke_api_key(api_key=lookups.one(self.rows(), id))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _moment(body: dict[str, Any]) -> datetime | None:
    raw = body.get("expires_at")
    if raw is None:
        return None
    try:
        moment = datetime.fromisoformat(raw)
        return moment.astimezone(UTC) if moment.tzinfo else moment
    except (TypeError, ValueError, OverflowError):
        raise ValidationError({"expires_at": ["Give a moment with its zone, such as 2030-01-31T00:00:00Z."]}) from None
