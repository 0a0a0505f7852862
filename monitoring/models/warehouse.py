"""The ETL's four tables (sql/sqlserver/), read-only: no defaults, validation or migrations."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.fields import UtcDateTimeField, VarCharField
from monitoring.models.managers import PipelinesManager, ReadOnlyQuerySet, RunsManager, ScopedRun, refuse


class WarehouseModel(models.Model):
    database_alias = "dw"

    class Meta:
        abstract = True

    save = delete = refuse


class EtlControl(WarehouseModel):
    entity_name = VarCharField(max_length=100, primary_key=True)
    source_table = VarCharField(max_length=200)
    target_table = VarCharField(max_length=200)
    source_pk_column = VarCharField(max_length=128)
    watermark_updated_at = UtcDateTimeField()
    watermark_id = models.BigIntegerField()
    cutoff_minutes = models.IntegerField()
    batch_size = models.IntegerField()
    is_active = models.BooleanField()
    last_run_id = models.BigIntegerField(null=True)
    last_status = VarCharField(max_length=20, null=True)
    last_success_at = UtcDateTimeField(null=True)
    created_at = UtcDateTimeField()
    updated_at = UtcDateTimeField()

    objects = PipelinesManager.from_queryset(ReadOnlyQuerySet)()

    class Meta:
        managed = False
        db_table = "[ctl].[etl_control]"
        ordering = ("entity_name",)
        verbose_name = _("control row")
        verbose_name_plural = _("control rows")

    def __str__(self) -> str:
        return self.entity_name


class EtlRun(ScopedRun, WarehouseModel):
    run_id = models.BigAutoField(primary_key=True)
    entities_requested = VarCharField(max_length=500)
    started_by = VarCharField(max_length=128)
    started_at = UtcDateTimeField()
    finished_at = UtcDateTimeField(null=True)
    status = VarCharField(max_length=20)
    entities_succeeded = models.IntegerField()
    entities_failed = models.IntegerField()
    error_message = VarCharField(max_length=4000, null=True)
    created_at = UtcDateTimeField()

    objects = RunsManager.from_queryset(ReadOnlyQuerySet)()

    class Meta:
        managed = False
        db_table = "[audit].[etl_run]"
        ordering = ("-run_id",)
        verbose_name = _("run")
        verbose_name_plural = _("runs")

    def __str__(self) -> str:
        return f"#{self.run_id}"


class EtlRunEntity(WarehouseModel):
    run_entity_id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(EtlRun, models.DO_NOTHING, db_constraint=False, related_name="run_entities")
    entity_name = VarCharField(max_length=100)
    entity_started_at = UtcDateTimeField()
    entity_finished_at = UtcDateTimeField(null=True)
    status = VarCharField(max_length=20)
    extracted_count = models.IntegerField()
    upserted_count = models.IntegerField()
    soft_deleted_count = models.IntegerField()
    watermark_from_updated_at = UtcDateTimeField(null=True)
    watermark_from_id = models.BigIntegerField(null=True)
    watermark_to_updated_at = UtcDateTimeField(null=True)
    watermark_to_id = models.BigIntegerField(null=True)
    error_message = VarCharField(max_length=4000, null=True)
    created_at = UtcDateTimeField()
    updated_at = UtcDateTimeField()

    objects = PipelinesManager.from_queryset(ReadOnlyQuerySet)()

    class Meta:
        managed = False
        db_table = "[audit].[etl_run_entity]"
        ordering = ("-run_id", "entity_name")
        verbose_name = _("run entity")
        verbose_name_plural = _("run entities")

    def __str__(self) -> str:
        return f"#{self.run_id} {self.entity_name}"


class ConnectionLoginEvent(WarehouseModel):
    """One sample of one open session: a session in ten snapshots has ten rows."""

    connection_event_id = models.BigAutoField(primary_key=True)
    event_time_utc = UtcDateTimeField(precision=3)
    captured_by = models.CharField(max_length=50)
    session_id = models.SmallIntegerField(null=True)
    login_name = models.CharField(max_length=128, null=True)
    host_name = models.CharField(max_length=128, null=True)
    program_name = models.CharField(max_length=256, null=True)
    database_name = models.CharField(max_length=128, null=True)
    status = models.CharField(max_length=30, null=True)
    # By the server's own clock, although it reads as UTC here: subtract the server's offset to show it.
    login_time = UtcDateTimeField(null=True, precision=3)
    net_transport = models.CharField(max_length=40, null=True)
    protocol_type = models.CharField(max_length=40, null=True)
    client_net_address = VarCharField(max_length=48, null=True)
    client_tcp_port = models.IntegerField(null=True)
    encrypt_option = models.CharField(max_length=10, null=True)
    auth_scheme = models.CharField(max_length=60, null=True)

    objects = ReadOnlyQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "[audit].[connection_login_events]"
        ordering = ("-event_time_utc", "-connection_event_id")
        verbose_name = _("login event")
        verbose_name_plural = _("login events")

    def __str__(self) -> str:
        return f"#{self.connection_event_id}"
