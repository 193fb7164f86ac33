"""Nobody is pushed for what was said before there were pushes."""

from django.db import migrations

_SQL = "UPDATE conversations_conversation SET push_seq = head_seq WHERE push_seq < head_seq"


class Migration(migrations.Migration):
    dependencies = [("conversations", "0004_unlooked")]

    operations = [migrations.RunSQL(_SQL, migrations.RunSQL.noop)]
