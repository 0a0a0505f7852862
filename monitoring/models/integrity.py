"""What people asked about one pipeline: the last integrity checks, and who saw personal data."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class IntegrityReport(models.Model):
    """The last integrity checks of one pipeline, for everybody; and the lease of who is running them."""

    entity_name = models.CharField(_("pipeline"), max_length=100, primary_key=True)
    lease_until = models.DateTimeField(null=True, help_text="Somebody is running the checks, at most until then.")
    lease_by = models.CharField(max_length=150, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    finished_by = models.CharField(_("asked by"), max_length=150, blank=True)
    milliseconds = models.FloatField(null=True)
    results = models.JSONField(default=list, help_text="policies/integrity.py: a list of CheckResult.")

    class Meta:
        verbose_name = _("integrity report")
        verbose_name_plural = _("integrity reports")
        ordering = ("entity_name",)

    def __str__(self) -> str:
        return self.entity_name


class Unmasking(models.Model):
    """Somebody asked to see personal data of one pipeline's source, and until when it was shown."""

    entity_name = models.CharField(_("pipeline"), max_length=100)
    user_name = models.CharField(_("user"), max_length=150)
    at = models.DateTimeField(_("asked at"))
    until = models.DateTimeField(_("shown until"))

    class Meta:
        verbose_name = _("unmasking")
        verbose_name_plural = _("unmaskings")
        ordering = ("-at", "-pk")
        indexes = [models.Index(fields=("-at",), name="unmasking_time")]

    def __str__(self) -> str:
        return f"{self.user_name} {self.entity_name} {self.at:%Y-%m-%d %H:%M:%S}"
