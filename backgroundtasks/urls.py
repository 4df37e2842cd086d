"""Everything that the core serves: the one `include("backgroundtasks.urls")` of a project."""

from __future__ import annotations

from backgroundtasks import conf
from backgroundtasks.api.oauth import AccessTokens
from backgroundtasks.api.routing import route

urlpatterns = [route("oauth/token", AccessTokens, "oauth-token")]

if "enterprise_tester" in conf.DIALECTS:
    from backgroundtasks.api.enterprise_tester.urls import urlpatterns as enterprise_tester

    urlpatterns += enterprise_tester

if "sailpoint" in conf.DIALECTS:
    from backgroundtasks.api.sailpoint.urls import urlpatterns as sailpoint

    urlpatterns += sailpoint

if "astra" in conf.DIALECTS:
    from backgroundtasks.api.astra.urls import urlpatterns as astra

    urlpatterns += astra

if "arcgis" in conf.DIALECTS:
    from backgroundtasks.api.arcgis.urls import urlpatterns as arcgis

    urlpatterns += arcgis
