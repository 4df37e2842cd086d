"""The few resources of the sharing API that the vendor's clients ask for while they log in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.urls import reverse

from backgroundtasks import VERSION
from backgroundtasks.api.arcgis import access, errors, renderers
from backgroundtasks.api.arcgis.access import ANY, Caller
from backgroundtasks.api.arcgis.views import View
from backgroundtasks.api.arcgis.vocabulary import organization_id, owner_id

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse

    from backgroundtasks.api.arcgis.parameters import Given

Body = dict[str, Any]

#: As the vendor's clients compare it: a whole number and a year's release.
API_VERSION: Final = "2024.1"
_ADMINISTRATION: Final = (
    "portal:admin:viewUsers",
    "portal:admin:manageSecurity",
    "portal:admin:manageServers",
)


class Sharing(View):
    """One resource of the sharing API: read-only, also by POST."""

    def __init__(self, read: Callable[[HttpRequest, Caller | None, dict[str, str]], Body]) -> None:
        self._read = read

    def answer(self, request: HttpRequest, given: Given, parts: dict[str, str]) -> HttpResponse:
        """Return it; it has no page of its own."""
        wanted = "pjson" if given.format == "html" else given.format
        caller = None
        if access.sent(request, given):
            caller = access.identify(request, given)
        return renderers.as_json(self._read(request, caller, parts), wanted)

    def refuse(self, request: HttpRequest, given: Given | None, error: Exception) -> HttpResponse:
        """Answer what went wrong; as JSON, whatever was asked for."""
        return renderers.as_json(errors.refusal(error, request).body(), "json")


def root(request: HttpRequest, caller: Caller | None, parts: dict[str, str]) -> Body:
    """Return which API this is."""
    return {"currentVersion": API_VERSION, "enterpriseVersion": VERSION}


def info(request: HttpRequest, caller: Caller | None, parts: dict[str, str]) -> Body:
    """Return where tokens come from."""
    return {
        "owningSystemUrl": _secure(request, reverse("arcgis-sharing").rpartition("/sharing")[0]),
        "authInfo": {
            "isTokenBasedSecurity": True,
            "tokenServicesUrl": _secure(request, reverse("arcgis-generate-token")),
        },
    }


def portal(request: HttpRequest, caller: Caller | None, parts: dict[str, str]) -> Body:
    """Return what this installation is."""
    system = access.system_account()
    body: Body = {
        "id": organization_id(system.pk),
        "name": "Task center",
        "portalName": "Task center",
        "portalDeploymentType": "ArcGISEnterpriseOnKubernetes",
        "portalMode": "singletenant",
        "isPortal": True,
        "allSSL": True,
        "access": "private",
        "currentVersion": API_VERSION,
        "enterpriseVersion": VERSION,
        "portalHostname": f"{request.get_host()}{reverse('arcgis-sharing').rpartition('/sharing')[0]}",
        "supportsOAuth": False,
        "helperServices": {},
    }
    if caller is not None:
        body["user"] = _user(caller.user)
    return body


def self(request: HttpRequest, caller: Caller | None, parts: dict[str, str]) -> Body:
    """Return who asks."""
    if caller is None:
        raise errors.TokenRequired
    return _user(caller.user)


def user(request: HttpRequest, caller: Caller | None, parts: dict[str, str]) -> Body:
    """Return a user: oneself, or for the default administrator anybody."""
    if caller is None:
        raise errors.TokenRequired
    if parts["username"] == caller.user.get_username():
        return _user(caller.user)
    found: User | None = None
    if access.DEFAULT_ADMINISTRATOR.admits(caller.user):
        users: Any = get_user_model()
        found = users.objects.filter(**{users.USERNAME_FIELD: parts["username"]}).first()
    if found is None:
        raise errors.Problem(errors.BAD_REQUEST, "User does not exist or is inaccessible.")
    return _user(found)


def nothing(request: HttpRequest, caller: Caller | None, parts: dict[str, str]) -> Body:
    """Say that there is no such resource here."""
    raise errors.not_found()


def _user(found: User) -> Body:
    is_operator = access.DEFAULT_ADMINISTRATOR.admits(found)
    name = found.get_username()
    return {
        "username": name,
        "id": owner_id(found.pk),
        "fullName": str(found) or name,
        "role": "org_admin" if is_operator else "org_user",
        "roleId": "org_admin" if is_operator else "org_user",
        "privileges": [*_ADMINISTRATION] if ANY.admits(found) else [],
        "level": "2",
        "disabled": not found.is_active,
        "groups": [],
    }


def _secure(request: HttpRequest, path: str) -> str:
    """Return an address with https: the vendor's clients take no other."""
    return f"https://{request.get_host()}{path}"
