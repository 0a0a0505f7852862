"""The table of the cache that all processes share (etlportal/shared_cache.py)."""

from django.core.management import call_command
from django.db import migrations

TABLE = "portal_shared_cache"


def create_table(apps, schema_editor):
    call_command("createcachetable", TABLE, database=schema_editor.connection.alias, verbosity=0)


def drop_table(apps, schema_editor):
    schema_editor.execute(f"DROP TABLE {schema_editor.quote_name(TABLE)}")


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0006_wide_counts")]
    operations = [migrations.RunPython(create_table, drop_table)]
