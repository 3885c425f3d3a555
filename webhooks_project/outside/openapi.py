"""The OpenAPI document, as YAML or JSON. Making it takes seconds, so a process does that once."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from webhooks_project.outside.kept import Kept, answer, kept, once


@once
def document() -> dict[str, Any]:
    """Return the document. Nobody may change it."""
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


@once
def _rendered(renderer: type[BaseRenderer]) -> Kept:
    made = renderer().render(document(), renderer.media_type, {})
    return kept(made if isinstance(made, bytes) else made.encode())


class OpenApi(APIView):
    """The document for everybody, in the form that `Accept` or `format` asks for."""

    http_method_names = ["get", "head"]
    schema = None  # it is not part of itself
    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = SpectacularAPIView.renderer_classes

    def get(self, request: Request) -> HttpResponse:
        """Return the document."""
        renderer: BaseRenderer = request.accepted_renderer
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        # Both media types of a form have the same bytes.
        response = answer(request._request, _rendered(_form(type(renderer))), f"{renderer.media_type}{charset}")
        title = settings.SPECTACULAR_SETTINGS["TITLE"]
        response.headers["Content-Disposition"] = f'inline; filename="{title}.{renderer.format}"'
        return response


def _form(renderer: type[BaseRenderer]) -> type[BaseRenderer]:
    """Return the first renderer of this one's form, so that a form is made and kept once."""
    return next(each for each in OpenApi.renderer_classes if each.format == renderer.format)
