"""Tokens for people: a name and password become a JSON web token, used with `X-tenant-ID` beside it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer

from subscriptions import sign_in_limits
from subscriptions.api import documents, limits, lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe


class PublicView(ApiView):
    """A view that asks for no credential, since it is where one comes from."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def get_authenticate_header(self, request: Request) -> str:
        """Return the challenge of 401 answers."""
        return 'Bearer realm="api"'


class TokenPair(PublicView):
    """Signing in."""

    @describe("Sign in", request=documents.SignIn, responses={200: documents.Tokens})
    def post(self, request: Request) -> Response:
        """Return a token for some minutes, and one that refreshes it. Guessing is slowed: see 429."""
        body = lookups.members(request.data, known=("username", "password"), required=("username", "password"))
        name, password = lookups.text(body, "username", limit=150), lookups.text(body, "password", limit=4096)
        self._slow_guessing(name)
        try:
            pair = TokenObtainPairSerializer().validate({"username": name, "password": password})
        except AuthenticationFailed as error:
            raise AuthenticationFailed("No active account has this name and password.") from error
        return Response({"access": pair["access"], "refresh": pair["refresh"]})

    def _slow_guessing(self, name: str) -> None:
        verdict = sign_in_limits.count(self.request.META, name, door="api")
        self.quota = verdict.quota
        if verdict.is_refused:
            raise limits.LimitReached(verdict.quota)


class TokenRefresh(PublicView):
    """Staying signed in."""

    @describe("Refresh a token", request=documents.RefreshToken, responses={200: documents.AccessToken})
    def post(self, request: Request) -> Response:
        """Return a fresh token, while the account is as it was when it signed in."""
        body = lookups.members(request.data, known=("refresh",), required=("refresh",))
        try:
            fresh: dict[str, Any] = TokenRefreshSerializer().validate(
                {"refresh": lookups.text(body, "refresh", limit=4096)}
            )
        except (TokenError, AuthenticationFailed, ObjectDoesNotExist) as error:
            raise AuthenticationFailed("This token refreshes nothing here, or no longer. Sign in again.") from error
        return Response({"access": fresh["access"]})
