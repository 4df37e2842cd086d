from typing import Any

import django.db.models.functions.text
from django.db import migrations, models
from django.db.models.functions import Lower


def part_namesakes(apps: Any, _: Any) -> None:
    """Give projects whose removal was cancelled, or goes on, a name of their own."""
    project = apps.get_model("tickets", "Project")
    outgoing = project.objects.filter(hidden_by__isnull=False, is_complete=True)
    for row in outgoing.annotate(key=Lower("name")).order_by("pk"):
        same = project.objects.filter(account_id=row.account_id, is_complete=True)
        same = same.alias(lower=Lower("name")).filter(lower=row.key).exclude(pk=row.pk)
        if same.exists():
            name = f"{row.name[:220]} (being deleted, {row.pk.hex[:8]})"
            project.objects.filter(pk=row.pk).update(name=name)


class Migration(migrations.Migration):
    dependencies = [
        ("tickets", "0008_attachments"),
    ]

    operations = [
        migrations.RunPython(part_namesakes, migrations.RunPython.noop),
        migrations.RemoveConstraint(
            model_name="project",
            name="one_project_per_name",
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.UniqueConstraint(
                models.F("account"),
                django.db.models.functions.text.Lower("name"),
                condition=models.Q(("is_complete", True)),
                name="one_project_per_name",
                violation_error_message="A project of this name exists already.",
            ),
        ),
    ]
