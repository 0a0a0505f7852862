"""The error of a copied run or execution, parsed and masked when it is copied."""

from django.db import migrations, models


def parse_again(apps, schema_editor):
    """Let the collector fill the columns of the stored copies, newest first (actions/copies.py: update_errors)."""
    state = apps.get_model("monitoring", "CollectorState")
    state.objects.using(schema_editor.connection.alias).update(fingerprint_version=0, fingerprinted_from=None)


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0001_squashed_0013_history"),
    ]

    operations = [
        migrations.AddField(
            model_name="runcopy",
            name="error",
            field=models.JSONField(help_text="The message parsed and masked, for every reader.", null=True),
        ),
        migrations.AddField(
            model_name="runcopy",
            name="error_with_logins",
            field=models.JSONField(help_text="For readers who may see logins; NULL: the same.", null=True),
        ),
        migrations.AddField(
            model_name="runentitycopy",
            name="error",
            field=models.JSONField(help_text="The message parsed and masked, for every reader.", null=True),
        ),
        migrations.AddField(
            model_name="runentitycopy",
            name="error_with_logins",
            field=models.JSONField(help_text="For readers who may see logins; NULL: the same.", null=True),
        ),
        migrations.RunPython(parse_again, migrations.RunPython.noop),
    ]
