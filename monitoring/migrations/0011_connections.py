"""What the connection audit remembers of who was seen on which day."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('monitoring', '0010_group_scope'),
    ]

    operations = [
        migrations.CreateModel(
            name='SeenHistory',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('from_key', models.BigIntegerField(help_text='The oldest key read so far; what is older is read backwards.')),
                ('to_key', models.BigIntegerField(help_text='The newest key read so far.')),
                ('complete', models.BooleanField(default=False, help_text='Nothing older is left to read.')),
                ('reaches_back', models.DateTimeField(null=True)),
                ('read_until', models.DateTimeField(help_text="By the warehouse's clock.")),
            ],
            options={
                'verbose_name': "reach of the connection audit's memory",
                'verbose_name_plural': "reach of the connection audit's memory",
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='SeenDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('column', models.CharField(max_length=30)),
                ('digest', models.CharField(max_length=32)),
                ('value', models.CharField(blank=True, max_length=256)),
                ('day', models.DateField()),
                ('first_seen', models.DateTimeField()),
                ('last_seen', models.DateTimeField()),
                ('hours', models.IntegerField()),
            ],
            options={
                'verbose_name': 'seen in the connection audit',
                'verbose_name_plural': 'seen in the connection audit',
                'default_permissions': (),
                'indexes': [models.Index(fields=['day'], name='seen_day')],
                'constraints': [models.UniqueConstraint(fields=('digest', 'column', 'day'), name='seen_once_a_day')],
            },
        ),
    ]
