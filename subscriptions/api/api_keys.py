"""API keys over the API: listed, made (shown once) and revoked by those who may."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions import services
from subscriptions.api import lookups, shaping
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.formats import CheckedLine
from subscriptions.api.pagination import PARAMETERS
from subscriptions.api.serializers import ApiSerializer, Flag, Moment, eg
from subscriptions.models import ApiKey

_EXPIRY = "2030-01-31T00:00:00Z"


class ApiKeySerializer(ApiSerializer):
    """An API key, without its text."""

    id = eg(serializers.CharField(source="public_id"), "key_01HA4XCG60CT4G3EWF4CKYM1MF")
    name = eg(serializers.CharField(allow_blank=True), "Nightly import")
    prefix = eg(serializers.CharField(help_text="The key's first characters."), "ak_live_3hWq9ZpT")
    scopes = eg(serializers.ListField(child=serializers.ChoiceField(choices=ApiKey.Scope.values)), ["read"])
    created_at = serializers.DateTimeField()
    expires_at = eg(serializers.DateTimeField(allow_null=True, help_text="Null: never."), _EXPIRY)
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class MadeApiKeySerializer(ApiKeySerializer):
    """An API key just made, with its text: shown this once."""

    key = eg(serializers.CharField(), "ak_live_3hWq9ZpT5vXnB7kLmR2sYcDfGjQtUwEa8oPi4HzMxNb")

    def show_key(self, api_key: ApiKey) -> str:
        """Return the key's text in the clear."""
        return str(self.context["key"])


class NewApiKeySerializer(ApiSerializer):
    """An API key to make."""

    name = eg(CheckedLine(max_length=100, default="", allow_blank=True), "Nightly import")
    scopes = eg(
        serializers.ListField(
            child=serializers.ChoiceField(choices=ApiKey.Scope.values),
            required=False,
            min_length=1,
            help_text="Left out: all that the caller has.",
        ),
        ["read"],
    )
    expires_at = eg(
        Moment(
            required=False,
            allow_null=True,
            help_text="With its zone. Null or left out: never, or when the caller's key ends.",
        ),
        _EXPIRY,
    )
    live = Flag(default=True, help_text="False: the key reads `ak_test_…`.")


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

    @describe("List API keys", answer=ApiKeySerializer, pages=True)
    def get(self, request: Request) -> Response:
        """Return the merchant's API keys in pages, the newest first, without their texts.

        Revoked and expired ones are included. Only owners, and keys with the scope `manage`, may see them: else 403.
        """
        return self.pages(self.rows(), ApiKeySerializer)

    @describe("Make an API key", body=NewApiKeySerializer, answer=MadeApiKeySerializer, codes=(201,))
    def post(self, request: Request) -> Response:
        """Make an API key and answer its text, which is not shown again.

        It can't hold a scope that the caller lacks: 403 names the scope. A key makes none that works longer than
        itself. 422 when `expires_at` is past, too late or has no zone, and for one key more than a merchant may have.
        """
        body = self.body(NewApiKeySerializer)
        made = services.create_api_key(
            merchant=self.merchant,
            name=body["name"],
            scopes=self._scopes(body),
            expires_at=body.get("expires_at"),
            created_by=self.credential.user,  # type: ignore[arg-type]
            live=body["live"],
            within=self.credential.key,
        )
        return Response(MadeApiKeySerializer(made.api_key, context={"key": made.text}).data, status.HTTP_201_CREATED)

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

    @describe("Read an API key", answer=ApiKeySerializer)
    def get(self, request: Request, id: str) -> Response:
        """Return what an API key may do, when it expires and when it was last used; never its text."""
        return self.answer(ApiKeySerializer(lookups.one(self.rows(), id)).data)

    @describe("Revoke an API key", answer=None, codes=(204,), etag=True)
    def delete(self, request: Request, id: str) -> Response:
        """End an API key at once: requests with it are answered 401 from now on. It stays in the list.

        Revoking a revoked key changes nothing. With If-Match, only while the key is as it was read: else 412.
        """
        with transaction.atomic():
            key = lookups.one(self.rows().select_for_update(no_key=True, of=("self",)), id)
            shaping.check_match(request, ApiKeySerializer(key).data)
            services.revoke_api_key(api_key=key)
        return Response(status=status.HTTP_204_NO_CONTENT)
