"""Where the resources of trackers are."""

from __future__ import annotations

from backgroundtasks.api import kit
from tickets.api.systems.links import (
    ExternalSystemLinkById,
    ExternalSystemLinkCopy,
    ExternalSystemLinks,
    ProjectSearchLinks,
)
from tickets.api.systems.systems import (
    ExternalSystemById,
    ExternalSystemCheck,
    ExternalSystemLinksOf,
    ExternalSystems,
    ExternalSystemTypes,
)
from tickets.api.systems.tickets import LinkField, ProjectTickets, TicketById, TicketLink

_SYSTEM = "api/externalsystem/<guid:system_id>"
_LINK = "api/externalsystemlink/<guid:link_id>"
_TICKET = f"{_LINK}/ticket/<str:ticket>"

urlpatterns = [
    kit.route("api/externalsystemtypes", ExternalSystemTypes, "externalsystemtypes"),
    kit.route("api/externalsystems", ExternalSystems, "externalsystems"),
    kit.route(_SYSTEM, ExternalSystemById, "externalsystem"),
    kit.route(f"{_SYSTEM}/links", ExternalSystemLinksOf, "externalsystem-links"),
    kit.route(f"{_SYSTEM}/check", ExternalSystemCheck, "externalsystem-check"),
    kit.route("api/externalsystemlinks", ExternalSystemLinks, "externalsystemlinks"),
    kit.route(_LINK, ExternalSystemLinkById, "externalsystemlink"),
    kit.route(f"{_LINK}/copy", ExternalSystemLinkCopy, "externalsystemlink-copy"),
    kit.route(f"{_LINK}/field/<str:field_name>", LinkField, "externalsystemlink-field"),
    kit.route(_TICKET, TicketById, "externalsystemlink-ticket"),
    kit.route(f"{_TICKET}/link", TicketLink, "externalsystemlink-ticket-link"),
    kit.route("api/project/<guid:project_id>/tickets", ProjectTickets, "project-tickets"),
    kit.route(
        "api/project/<guid:project_id>/searchlinks", ProjectSearchLinks, "project-searchlinks"
    ),
]

kit.register_root(
    "ExternalSystems",
    "External Systems",
    "externalsystems",
    ("GET", "POST"),
    description="Trackers of defects",
    odata=True,
)
kit.register_root(
    "ExternalSystemLinks",
    "External System Links",
    "externalsystemlinks",
    ("GET", "POST"),
    description="Which projects use which trackers",
    odata=True,
)
