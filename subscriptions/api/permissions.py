"""What a credential may do: each view names the scope that each method needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class Scoped(Protocol):
    """A view that says where a method needs another scope than usual."""

    scopes: ClassVar[Mapping[str, str]]


class HasScope(BasePermission):
    """Lets a request pass when its credential holds the scope that the view names for the method."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return False for anonymous requests (401). Raises PermissionDenied (403) naming the missing scope."""
        credential: Any = request.auth
        if credential is None:
            return False
        scope = scope_of(view, request.method or "GET")
        if scope in credential.scopes:
            return True
        held = ", ".join(sorted(credential.scopes)) or "none"
        raise PermissionDenied(f'This needs the scope "{scope}"; the credential has: {held}.', code="missing_scope")


def scope_of(view: Scoped, method: str) -> str:
    """Return the scope that `method` needs: the view's own word, else `read` for reading and `manage` for the rest."""
    return view.scopes.get(method, "read" if method in {"GET", "HEAD"} else "manage")
