"""What the connection audit remembers of the login events: who was seen on which day, long after they are pruned.

Written by the collector alone; read once for everybody. Times are aware UTC, days are UTC days.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.fields import ForeignCharField


class SeenDay(models.Model):
    """One value of one column of the login events, seen on one day. No value is an empty text.

    `digest` is the value without regard to case: what tells values apart, in any database. `hours`: bit N
    is set where it was seen in the day's hour N.
    """

    column = models.CharField(max_length=30)
    digest = models.CharField(max_length=32)
    value = ForeignCharField(max_length=256, blank=True)
    day = models.DateField()
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    hours = models.IntegerField()

    class Meta:
        verbose_name = _("seen in the connection audit")
        verbose_name_plural = _("seen in the connection audit")
        constraints = [models.UniqueConstraint(fields=("digest", "column", "day"), name="seen_once_a_day")]
        indexes = [models.Index(fields=("day",), name="seen_day")]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.column} {self.day:%Y-%m-%d}"


class SeenHistory(models.Model):
    """How far that memory reaches: one row. Keys are of audit.connection_login_events.

    `reaches_back`: everything sampled since then is in it, up to `read_until`.
    """

    SINGLETON = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=SINGLETON, editable=False)
    from_key = models.BigIntegerField(help_text="The oldest key read so far; what is older is read backwards.")
    to_key = models.BigIntegerField(help_text="The newest key read so far.")
    complete = models.BooleanField(default=False, help_text="Nothing older is left to read.")
    reaches_back = models.DateTimeField(null=True)
    read_until = models.DateTimeField(help_text="By the warehouse's clock.")

    class Meta:
        verbose_name = _("reach of the connection audit's memory")
        verbose_name_plural = _("reach of the connection audit's memory")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.from_key}-{self.to_key}"
