"""Counts of the copies as wide as a warehouse may make them."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('monitoring', '0005_trail'),
    ]

    operations = [
        migrations.AlterField(
            model_name='runcopy',
            name='entities_failed',
            field=models.BigIntegerField(),
        ),
        migrations.AlterField(
            model_name='runcopy',
            name='entities_succeeded',
            field=models.BigIntegerField(),
        ),
        migrations.AlterField(
            model_name='runentitycopy',
            name='extracted',
            field=models.BigIntegerField(),
        ),
        migrations.AlterField(
            model_name='runentitycopy',
            name='soft_deleted',
            field=models.BigIntegerField(),
        ),
        migrations.AlterField(
            model_name='runentitycopy',
            name='upserted',
            field=models.BigIntegerField(),
        ),
    ]
