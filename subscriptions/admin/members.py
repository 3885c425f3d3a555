"""Inviting a person to a merchant, and changing what members may do."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.decorators import display
from unfold.widgets import UnfoldAdminEmailInputWidget

from subscriptions import desk, services
from subscriptions.admin import cells, local_times
from subscriptions.admin.own_rows import OwnRowsFilter
from subscriptions.admin.row_actions import WithRowActions
from subscriptions.admin.scoping import OWNER
from subscriptions.admin.service_forms import ServiceForm, ServiceFormMixin
from subscriptions.models import Invitation, Membership
from subscriptions.services import people
from subscriptions.services.members import is_last_owner

INVITED = (
    "The invitation is on its way to {}. It lets whoever reads mail there choose a password, or sign in, and accept; "
    "it works once, for seven days."
)


class InviteForm(ServiceForm):
    """Who, where, and as what."""

    email = forms.EmailField(
        label="E-mail",
        max_length=150,  # it is the user name, too
        widget=UnfoldAdminEmailInputWidget,
        help_text="We mail them a link with which they accept.",
    )

    class Meta:
        model = Invitation
        fields = ["merchant", "role"]

    def serve(self, data: dict[str, Any]) -> Invitation:
        """Invite the person."""
        by: Any = self.request.user
        invitation, _token = services.invite(invited_by=by, **data)
        return invitation


class RoleForm(ServiceForm):
    """What a member may do."""

    class Meta:
        model = Membership
        fields = ["role"]

    def serve(self, data: dict[str, Any]) -> Membership:
        """Change the member's role."""
        return services.change_role(membership=self.instance, role=data["role"])


@desk.register(Invitation)
class InvitationAdmin(ServiceFormMixin, WithRowActions):
    """Memberships that wait for the invited person; owners invite and withdraw."""

    form = InviteForm
    needs = {"view": OWNER, "add": OWNER, "delete": OWNER}
    list_display = ["email", "role", "until", "by", "since", "merchant"]
    list_filter = [("merchant", OwnRowsFilter)]
    list_select_related = ["merchant", "invited_by"]
    search_fields = ["email"]
    search_help_text = "Search addresses"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invitation]:
        """Leave out the links' tokens, which no page shows."""
        return super().get_queryset(request).defer("token")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Ask who; afterwards nothing can change."""
        return ["merchant", "email", "role"] if obj is None else ["email", "role", "until", "by", "since"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """An invitation can't be edited: withdraw it, or invite again."""
        return [] if obj is None else ["email", "role", "until", "by", "since"]

    def response_add(self, request: HttpRequest, obj: Invitation, post_url_continue: str | None = None) -> HttpResponse:
        """Lead back to the list, and say what happens next."""
        self.message_user(request, INVITED.format(obj.email))
        return HttpResponseRedirect(desk.reverse("webhooks_subscriptions_invitation_changelist"))

    @display(description="Accept until", ordering="expires_at")
    def until(self, row: Invitation) -> str:
        """Return until when its link works."""
        return local_times.moment(row.expires_at)

    @display(description="Invited by")
    def by(self, row: Invitation) -> str:
        """Return who invited."""
        return row.invited_by.get_username() if row.invited_by else "the platform"

    @display(description="Since", ordering="created_at")
    def since(self, row: Invitation) -> str:
        """Return when the person was first invited."""
        return local_times.moment(row.created_at)


@desk.register(Membership)
class MembershipAdmin(ServiceFormMixin, WithRowActions):
    """Members of a merchant: owners invite, change roles and remove."""

    form = RoleForm
    needs = {"add": OWNER, "change": OWNER, "delete": OWNER}
    list_display = ["person", "duty", "seen", "second_factor", "since", "merchant"]
    list_filter = [("merchant", OwnRowsFilter)]
    list_select_related = ["merchant", "user", "user__second_factor"]
    search_fields = [f"user__{people.name_field()}", f"user__{people.email_field()}"]
    search_help_text = "Search names and addresses"
    fields = ["person", "merchant_name", "role"]
    readonly_fields = ["person", "merchant_name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Leave out what is secret: a list shows whether there is a second factor, whoever can decrypt its key."""
        return super().get_queryset(request).defer("user__second_factor__key")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Lead to the page that invites: nobody becomes a member without their word."""
        return HttpResponseRedirect(desk.reverse("webhooks_subscriptions_invitation_add"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep the last owner: without one nobody could invite another."""
        return super().has_delete_permission(request, obj) and not (obj is not None and is_last_owner(obj))

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        """Remove through the service, which looks again under the merchant's lock."""
        try:
            services.remove_member(membership=obj)
        except ValidationError as error:  # another request has just made it the last owner's
            raise PermissionDenied(error.messages[0]) from error

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Remove members one at a time, from their page."""
        return {}

    @display(description="Member", ordering=f"user__{people.name_field()}")
    def person(self, row: Membership) -> str:
        """Return the person's name over their address."""
        name, address = people.shown(row.user), people.address(row.user)
        return cells.lines(name, address if address != name else "")

    @display(description="Last sign-in", ordering="user__last_login")
    def seen(self, row: Membership) -> str:
        """Return when the person signed in last."""
        return local_times.moment(getattr(row.user, "last_login", None), never="never")

    @display(description="Two-factor sign-in", label={"on": "success"})
    def second_factor(self, row: Membership) -> str:
        """Return whether the person signs in with a second factor."""
        return "on" if hasattr(row.user, "second_factor") else "off"

    @display(description="Merchant")
    def merchant_name(self, row: Membership) -> str:
        """Return the merchant."""
        return row.merchant.name

    @display(description="Role", ordering="role", label={"owner": "primary", "developer": "info", "viewer": "success"})
    def duty(self, row: Membership) -> tuple[str, str]:
        """Return the role."""
        return row.role, row.role.capitalize()

    @display(description="Since", ordering="created_at")
    def since(self, row: Membership) -> str:
        """Return when the person joined."""
        return local_times.moment(row.created_at)
