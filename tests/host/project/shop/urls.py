"""The host's addresses, and ours below one of them."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from orders import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("orders/", views.create),
    path("dates/", views.Dates.as_view()),
]
if not settings.BEFORE:
    urlpatterns.append(path("webhooks/", include("deliveries.urls")))
