"""Projects."""

from django.contrib import admin

from tickets import naming
from tickets.admin.pages import EditablePages, RowForm
from tickets.models import Project


class ProjectForm(RowForm):
    """A project; the name of one that is being removed is free."""

    def validate_unique(self) -> None:
        """Take the name from a project that is being removed, then look whether another has it."""
        if not self.errors:
            naming.free(self.instance.account_id, self.instance.name)
        super().validate_unique()


@admin.register(Project)
class ProjectAdmin(EditablePages):
    """Search by name, slug or id."""

    form = ProjectForm
    list_display = ("name", "account", "slug", "manager", "created_at")
    list_select_related = ("account", "manager")
    list_filter = ("independent", "created_at")
    search_fields = ("name", "slug", "=id")
    ordering = ("name", "pk")
    readonly_fields = ("id", "account", "created_at", "updated_at")
    raw_id_fields = ("manager",)
