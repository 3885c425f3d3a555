"""Tokens for people: a name and password become a JSON web token, used with `X-tenant-ID` beside it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer

from subscriptions import sign_in_limits
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.errors import LimitReached
from subscriptions.api.serializers import ApiSerializer, Text, eg
from subscriptions.services import second_factors

_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiMSJ9.c2lnbmF0dXJl"  # noqa: S105 - an example


class SignInSerializer(ApiSerializer):
    """A person's name and password, and the code of their second factor if they have one."""

    username = eg(Text(max_length=150), "owner@shop.example")
    password = eg(Text(max_length=4096), "correct horse battery staple")
    code = eg(
        Text(
            max_length=second_factors.CODE_MAX,
            required=False,
            allow_blank=True,
            help_text="From the authenticator app, or a recovery code; for accounts with two-factor sign-in.",
        ),
        "123456",
    )


class AccessTokenSerializer(ApiSerializer):
    """A token for `Authorization: Bearer`, with `X-tenant-ID` beside it."""

    access = eg(serializers.CharField(), _TOKEN)


class TokensSerializer(AccessTokenSerializer):
    """A token, and one that refreshes it."""

    refresh = eg(serializers.CharField(), _TOKEN)


class RefreshTokenSerializer(ApiSerializer):
    """The token that refreshes."""

    refresh = eg(Text(max_length=4096), _TOKEN)


class PublicView(ApiView):
    """A view that asks for no credential, since it is where one comes from."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def get_authenticate_header(self, request: Request) -> str:
        """Return the challenge of 401 answers."""
        return 'Bearer realm="api"'


class TokenPair(PublicView):
    """Signing in."""

    @describe("Sign in", body=SignInSerializer, answer=TokensSerializer)
    def post(self, request: Request) -> Response:
        """Exchange a person's name and password for a token, valid for some minutes, and one that refreshes it.

        Programs use API keys instead. 401 when no active account has this name and password, or the code of its second
        factor is missing or wrong. Attempts are counted by account and by address: 429 with Retry-After slows guessing.
        """
        body = self.body(SignInSerializer)
        self._slow_guessing(body["username"])
        pairs = TokenObtainPairSerializer()
        try:
            pair = pairs.validate({**body, get_user_model().USERNAME_FIELD: body["username"]})
        except AuthenticationFailed as error:
            raise AuthenticationFailed("No active account has this name and password.") from error
        self._ask_for_code(pairs.user, body.get("code", ""))
        sign_in_limits.succeeded(self.request.META, body["username"])
        return Response(TokensSerializer(SimpleNamespace(**pair)).data)

    def _ask_for_code(self, user: Any, code: str) -> None:
        """Let pass who has given the code of their second factor, or needs none. Raises AuthenticationFailed."""
        if second_factors.is_needed(user):
            if not second_factors.check(user=user, code=code):
                raise AuthenticationFailed("This account has a second factor: send its present code as `code`.")
        elif second_factors.is_required(user):
            raise AuthenticationFailed("The operator asks for two-factor sign-in. Set it up in the admin first.")

    def _slow_guessing(self, name: str) -> None:
        verdict = sign_in_limits.count(self.request.META, name, door="api")
        self.quota = verdict.quota
        if verdict.is_refused:
            raise LimitReached(verdict.quota)


class TokenRefresh(PublicView):
    """Staying signed in."""

    @describe("Refresh a token", body=RefreshTokenSerializer, answer=AccessTokenSerializer)
    def post(self, request: Request) -> Response:
        """Return a new access token for a refresh token, while the account is as it was when it signed in.

        401 when the refresh token has expired, the password was changed since, or the account is no longer active: sign
        in again.
        """
        try:
            fresh = TokenRefreshSerializer().validate(self.body(RefreshTokenSerializer))
        except (TokenError, AuthenticationFailed, ObjectDoesNotExist) as error:
            raise AuthenticationFailed("This token refreshes nothing here, or no longer. Sign in again.") from error
        return Response(AccessTokenSerializer(SimpleNamespace(**fresh)).data)
