"""The index of words: each database's own kind of full text."""

from typing import Any

from django.db import migrations

# The words are cut in messages.search, alike for every database; `ascii` takes them as they are.
# Columnsize serves only ranking, and we order by time.
_CREATE = {
    "sqlite": [
        "CREATE VIRTUAL TABLE messagelog_searchtext"
        " USING fts5(words, tokenize = 'ascii', columnsize = 0)",
    ],
    "postgresql": [
        "CREATE TABLE messagelog_searchtext (entry_id bigint PRIMARY KEY, words tsvector NOT NULL)",
        "CREATE INDEX searchtext_words ON messagelog_searchtext USING gin (words)",
    ],
}


def create(apps: Any, schema_editor: Any) -> None:
    for statement in _CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute("DROP TABLE messagelog_searchtext")


class Migration(migrations.Migration):
    dependencies = [("messagelog", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]
