"""The site's one row, with an epoch that no other database has."""

import secrets
from typing import Any

from django.db import migrations


def create_site(apps: Any, schema_editor: Any) -> None:
    apps.get_model("conversations", "Site").objects.get_or_create(
        pk=1, defaults={"epoch": secrets.token_hex(8)}
    )


class Migration(migrations.Migration):
    dependencies = [("conversations", "0001_initial")]

    operations = [migrations.RunPython(create_site, migrations.RunPython.noop)]
