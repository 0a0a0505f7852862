"""What people asked about one pipeline: the last integrity checks."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.fields import ForeignCharField, ForeignJSONField
from monitoring.models.managers import of_pipelines


class IntegrityReport(models.Model):
    """The last integrity checks of one pipeline, for everybody; and the lease of who is running them."""

    entity_name = ForeignCharField(_("pipeline"), max_length=100, primary_key=True)
    lease_until = models.DateTimeField(null=True, help_text="Somebody is running the checks, at most until then.")
    lease_by = models.CharField(max_length=150, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    finished_by = models.CharField(_("asked by"), max_length=150, blank=True)
    milliseconds = models.FloatField(null=True)
    results = ForeignJSONField(default=list, help_text="policies/integrity.py: a list of CheckResult.")

    objects = of_pipelines()

    class Meta:
        verbose_name = _("integrity report")
        verbose_name_plural = _("integrity reports")
        ordering = ("entity_name",)

    def __str__(self) -> str:
        return self.entity_name
