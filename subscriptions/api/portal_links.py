"""Portal links over the API: a platform's program lets a merchant's person into the admin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions import services
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.formats import CheckedLine
from subscriptions.api.serializers import EXAMPLE_LATER, ApiSerializer, Text, eg
from subscriptions.conf import settings
from subscriptions.services.portal import PERSON_MAX, ROLES, TARGET_MAX


class NewPortalLinkSerializer(ApiSerializer):
    """Whom to let in, as what, and where to."""

    role = eg(serializers.ChoiceField(choices=ROLES, help_text="What the session may do, and no more."), "viewer")
    person = eg(
        CheckedLine(
            max_length=PERSON_MAX, help_text="Who will use it, as you know them; the record of changes says so."
        ),
        "anna@shop.example",
    )
    target = eg(
        Text(max_length=TARGET_MAX, default="/admin/", help_text="The page it leads to."),
        "/admin/webhooks_deliveries/delivery/",
    )


class PortalLinkSerializer(ApiSerializer):
    """A link that opens once."""

    url = eg(serializers.CharField(), "https://hooks.example.com/portal/Zk8x2PqT7vWm4RbN9cLd/")
    expires_at = eg(serializers.DateTimeField(), EXAMPLE_LATER)


@dataclass(frozen=True, slots=True)
class Opening:
    """What is answered of a link."""

    url: str
    expires_at: datetime


class PortalLinkList(ApiView):
    """Links into the admin."""

    @describe("Make a portal link", body=NewPortalLinkSerializer, answer=PortalLinkSerializer, codes=(201,))
    def post(self, request: Request) -> Response:
        """Make a link that signs a browser in to the admin, once, within ten minutes; the session lasts eight hours.

        The session can do what a member of the role can. Revoking the API key that made the link ends both. The caller
        needs an API key with the scope `read` beside `manage`, since the session shows everything of the merchant: else
        403, as for a person's token. 422 names each member that is wrong.
        """
        if self.credential.key is None:  # a person's rights end in ways that no link would hear of
            raise PermissionDenied("Portal links are made with an API key.", code="key_needed")
        if "read" not in self.credential.scopes:
            raise PermissionDenied('This needs the scope "read" beside "manage".', code="missing_scope")
        made = services.create_portal_link(
            merchant=self.merchant, api_key=self.credential.key, **self.body(NewPortalLinkSerializer)
        )
        url = settings.WEBHOOKS_BASE_URL + reverse("portal", args=[made.token])
        shown = PortalLinkSerializer(Opening(url, made.link.expires_at)).data
        return Response(shown, status.HTTP_201_CREATED)
