"""OAuth clients and access tokens: who may come in, and how to shut them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import Http404, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.html import format_html

from backgroundtasks import clock, operations
from backgroundtasks.admin import looks
from backgroundtasks.admin.read_only import ReadOnlyAdmin
from backgroundtasks.models import AccessToken, OAuthClient

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.forms import ModelForm
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern


@admin.register(OAuthClient)
class OAuthClientAdmin(ReadOnlyAdmin):
    """A client's secret is shown once, when it is made."""

    list_display = ("name", "user", "scope", "made", "condition")
    list_select_related = ("user",)
    search_fields = ("name", "user__username", "id")
    ordering = ("name",)
    fields = ("name", "user", "scope")
    raw_id_fields = ("user",)
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only superusers: a client may act as any user."""
        return bool(request.user.is_active and request.user.is_superuser)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether the user may revoke clients."""
        return bool(request.user.has_perm("backgroundtasks.change_oauthclient"))

    def save_model(
        self,
        request: HttpRequest,
        obj: OAuthClient,
        form: ModelForm[Any],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Make the client, and show its secret this one time."""
        client, secret = operations.create_client(obj.name, obj.user, scope=obj.scope)
        obj.pk = client.pk
        messages.warning(
            request,
            format_html(
                "Note them now, the secret is not shown again: client_id <code>{}</code>, "
                "client_secret <code>{}</code>.",
                client.pk,
                secret,
            ),
        )

    @admin.display(description="made")
    def made(self, client: OAuthClient) -> str:
        return looks.moment(client.created_at)

    @admin.display(description="condition")
    def condition(self, client: OAuthClient) -> str:
        if client.revoked_at is None:
            return "good"
        return format_html("revoked {}", looks.moment(client.revoked_at))

    @admin.action(description="Revoke the chosen clients and their tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[OAuthClient]) -> None:
        for client in queryset:
            done = operations.revoke_client(client)
            messages.success(
                request, f"{client} {'is revoked' if done else 'was revoked already'}."
            )


@admin.register(AccessToken)
class AccessTokenAdmin(ReadOnlyAdmin):
    """
    Tokens, without what they are known by.

    A token's key is its digest, and pages show no digests: rows have a handle instead, and no
    pages of their own.
    """

    list_display = ("user", "client", "scope", "made", "expires", "condition", "revoke")
    list_display_links = None
    list_select_related = ("user", "client")
    search_fields = ("user__username", "client__name")
    ordering = ("-expires_at",)
    actions = None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may see the list; nobody sees the page of a single token."""
        return obj is None and super().has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        """Add what the buttons do, and take away the pages whose addresses hold a digest."""
        listed = [found for found in super().get_urls() if str(found.name).endswith("_changelist")]
        revoke = self.admin_site.admin_view(self.revoke_view)
        return [
            *listed,
            path("<slug:handle>/revoke/", revoke, name="backgroundtasks_accesstoken_revoke"),
        ]

    @admin.display(description="made")
    def made(self, token: AccessToken) -> str:
        return looks.moment(token.created_at)

    @admin.display(description="expires")
    def expires(self, token: AccessToken) -> str:
        return looks.moment(token.expires_at)

    @admin.display(description="condition")
    def condition(self, token: AccessToken) -> str:
        if token.revoked_at is not None:
            return format_html("revoked {}", looks.moment(token.revoked_at))
        return "good" if token.expires_at > clock.now() else "expired"

    @admin.display(description="")
    def revoke(self, token: AccessToken) -> str:
        if token.revoked_at is not None or token.expires_at <= clock.now():
            return ""
        # The list stands in a form with Django's CSRF token; the button sends that elsewhere.
        url = reverse("admin:backgroundtasks_accesstoken_revoke", args=[_handle(token.pk)])
        return format_html(
            '<button class="bt-button" formmethod="post" formaction="{}">Revoke</button>', url
        )

    def revoke_view(self, request: HttpRequest, handle: str) -> HttpResponse:
        """Revoke the token of a row."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm("backgroundtasks.change_accesstoken"):
            raise Http404
        good = AccessToken.objects.filter(revoked_at__isnull=True, expires_at__gt=clock.now())
        for token in good.select_related("user").iterator():
            if constant_time_compare(_handle(token.pk), handle):
                operations.revoke_access(token)
                messages.success(request, f"The token of {token.user} is revoked.")
                break
        else:
            messages.error(request, "There is no such token any more.")
        return HttpResponseRedirect(reverse("admin:backgroundtasks_accesstoken_changelist"))


def _handle(digest: str) -> str:
    """Return a name for a token that tells nothing about its digest."""
    return salted_hmac("backgroundtasks.admin.token", digest, algorithm="sha256").hexdigest()[:32]
