from monitoring.models.accounts import GroupPolicy, GroupScope, PortalSettings
from monitoring.models.portal import (
    AppendOnly,
    CollectorState,
    IntegrityReport,
    PipelineRollup,
    PipelineSample,
    PipelineSettings,
    RunCopy,
    RunEntityCopy,
    SeenDay,
    SeenHistory,
    TrailEntry,
    UserPreferences,
)
from monitoring.models.warehouse import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity

__all__ = [
    "AppendOnly",
    "CollectorState",
    "ConnectionLoginEvent",
    "EtlControl",
    "EtlRun",
    "EtlRunEntity",
    "GroupPolicy",
    "GroupScope",
    "IntegrityReport",
    "PipelineRollup",
    "PipelineSample",
    "PipelineSettings",
    "PortalSettings",
    "RunCopy",
    "RunEntityCopy",
    "SeenDay",
    "SeenHistory",
    "TrailEntry",
    "UserPreferences",
]
