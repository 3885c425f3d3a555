"""Every address that a project mounts with one line: `path("webhooks/", include("deliveries.urls"))`.

The API below `api/v1/`; where the theme is installed also invitations, and the desk at the front unless it is on an
admin site that the project mounts itself.
"""

from django.urls import URLPattern, URLResolver, include, path, re_path

from subscriptions import desk
from subscriptions.api import shopery
from subscriptions.api.base import NotFoundView
from subscriptions.conf import settings

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include("subscriptions.api.urls")),
    path("api/v1/", include("deliveries.api.urls")),
    path("company/webhooks", shopery.CompanyWebhooks.as_view()),
    path("company/webhooks/<str:id>", shopery.CompanyWebhook.as_view()),
    re_path(r"^(?:api/v1|company)(?:/.*)?$", NotFoundView.as_view()),
]

if desk.is_possible():
    from subscriptions.invitation_page import invitation

    urlpatterns.append(path("invitations/<str:token>/", invitation, name="invitation"))
    if (
        settings.WEBHOOKS_IS_SERVICE
    ):  # accounts of portal links are the service's; another project signs in its own people
        from subscriptions.portal_page import portal

        urlpatterns.append(path("portal/<str:token>/", portal, name="portal"))
    if desk.is_beside():
        urlpatterns.append(path("", desk.site().urls))
