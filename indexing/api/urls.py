"""Where the resources of search are."""

from backgroundtasks.api import kit
from indexing.api import views

urlpatterns = [
    kit.route("api/search", views.Search, "search"),
    kit.route("api/search/indexes", views.Indexes, "search-indexes"),
    kit.route("api/search/index/<str:index_name>", views.Index, "search-index"),
]

kit.register_root(
    "Search",
    "Search",
    "search",
    ("GET", "POST"),
    description="Find entities by TQL, or count them",
    tql=True,
)
