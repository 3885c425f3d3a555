"""`Authorization: Bearer …`: an API key, or a JSON web token with the tenant in `X-tenant-ID` (Shopery's document)."""

from __future__ import annotations

from typing import Final

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed as TokenRefused
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from subscriptions import credentials, selectors
from subscriptions.credentials import Credential
from subscriptions.ids import CALLER_ID
from subscriptions.models import Merchant

TENANT_HEADER: Final = "X-tenant-ID"


class BearerAuthentication(BaseAuthentication):
    """Turns the header into a Credential, which becomes `request.user` and `request.auth`."""

    def authenticate(self, request: Request) -> tuple[Credential, Credential] | None:
        """Return the credential twice, as REST framework wants it; None when the header is missing.

        Raises AuthenticationFailed (401) for anything that isn't a valid key or token, PermissionDenied (403) for a
        valid token of somebody who doesn't belong to the tenant.
        """
        header = request.META.get("HTTP_AUTHORIZATION", "").strip()
        if not header:
            return None
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise AuthenticationFailed("The Authorization header must read: Bearer, a space, then an API key or token.")
        credential = _by_key(token) if token.startswith("ak_") else _by_token(token, request)
        return credential, credential

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge that stands in WWW-Authenticate of each 401 (RFC 6750, section 3)."""
        refused = ', error="invalid_token"' if request.META.get("HTTP_AUTHORIZATION", "").strip() else ""
        return f'Bearer realm="api"{refused}'


def _by_key(token: str) -> Credential:
    key = selectors.authenticate_key(token)
    if key is None:
        raise AuthenticationFailed("This API key is unknown, revoked or expired. Make a new one in the admin.")
    return credentials.of_key(key)


def _by_token(token: str, request: Request) -> Credential:
    # RFC 7519 tokens are ASCII; anything else would only fail deeper down, and less clearly.
    if not token.isascii():
        raise AuthenticationFailed("The token holds characters that no token has.")
    try:
        user = JWTAuthentication().get_user(AccessToken(token))  # type: ignore[arg-type]  # the stubs expect bytes
    except (TokenError, TokenRefused) as error:
        raise AuthenticationFailed("The token is not valid here, or has expired. Get a new one.") from error
    tenant = request.META.get("HTTP_X_TENANT_ID", "").strip()
    if not tenant:
        raise AuthenticationFailed(f"A token needs the header {TENANT_HEADER} with the merchant's mch_… id beside it.")
    merchant = Merchant.objects.filter(public_id=tenant).first() if CALLER_ID.fullmatch(tenant) else None
    credential = merchant and credentials.of_member(user, merchant)  # type: ignore[arg-type]
    if not credential:
        # One answer for a tenant that isn't there and for somebody else's: neither is confirmed.
        raise PermissionDenied(f"You don't belong to the tenant named in {TENANT_HEADER}.", code="not_a_member")
    return credential
