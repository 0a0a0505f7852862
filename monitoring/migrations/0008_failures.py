"""Copied failures get a class and a fingerprint; the collector works the older ones through, a part at a time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0007_shared_cache")]

    operations = [
        migrations.AddField(
            model_name="collectorstate",
            name="fingerprint_version",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="By which rules every copied failure has its fingerprint."
            ),
        ),
        migrations.AddField(
            model_name="collectorstate",
            name="fingerprinted_from",
            field=models.BigIntegerField(
                help_text="Older run entities than this still have theirs by earlier rules, or none.", null=True
            ),
        ),
        migrations.AddField(
            model_name="runentitycopy",
            name="error_class",
            field=models.CharField(
                blank=True, default="", help_text="What kind of failure it is, of a failed one.", max_length=30
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="runentitycopy",
            name="fingerprint",
            field=models.CharField(
                help_text="The same for failures that are the same; NULL: it did not fail.", max_length=16, null=True
            ),
        ),
        migrations.AddIndex(
            model_name="runentitycopy",
            index=models.Index(
                condition=models.Q(("fingerprint__isnull", False)),
                fields=["fingerprint", "entity_name", "started_at", "run", "run_entity_id"],
                name="run_entity_failure",
            ),
        ),
    ]
