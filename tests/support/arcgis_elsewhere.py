"""ArcGIS' API below another path, and under another name."""

from django.urls import include, path

from backgroundtasks.api.arcgis.urls import patterns

urlpatterns = [path("portal/", include(patterns("gis")))]
