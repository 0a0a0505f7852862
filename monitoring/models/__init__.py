"""The models: the ETL's tables (read-only) and the portal's own."""

from monitoring.models.integrity import IntegrityReport, Unmasking
from monitoring.models.portal import (
    CollectorState,
    PipelineHour,
    PipelineSample,
    PipelineSettings,
    RunCopy,
    RunEntityCopy,
    UserPreferences,
)
from monitoring.models.warehouse import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity

__all__ = [
    "CollectorState",
    "ConnectionLoginEvent",
    "EtlControl",
    "EtlRun",
    "EtlRunEntity",
    "IntegrityReport",
    "PipelineHour",
    "PipelineSample",
    "PipelineSettings",
    "RunCopy",
    "RunEntityCopy",
    "Unmasking",
    "UserPreferences",
]
