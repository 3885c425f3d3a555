"""The customer's side: the address that download links lead to."""

from __future__ import annotations

import re
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from examples.storefront import payloads, services

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
USER_AGENT_MAX: Final = 500


@never_cache
@require_GET  # mail scanners send HEAD, which must not use a download up
def download(request: HttpRequest) -> HttpResponse:
    """Count a download and lead to the file's bytes: `GET /download?key=…`.

    404 for a link that never was, 410 for one that has expired, is used up or was revoked, in plain words.
    """
    key = request.GET.get("key", "")
    access = services.Access(None, "There is no such download link.")
    if TOKEN.fullmatch(key):
        access = services.access_download(
            token=key,
            ip_address=request.META.get("REMOTE_ADDR") or None,
            user_agent=request.headers.get("User-Agent", "").replace("\0", "")[:USER_AGENT_MAX],
        )
    link = access.download
    if link is None or access.refusal:
        return HttpResponse(access.refusal, status=404 if link is None else 410, content_type="text/plain")
    if link.file.source_url:
        return HttpResponseRedirect(link.file.source_url)
    return JsonResponse({**payloads.file_reference(link.file), "downloads_remaining": link.remaining})
