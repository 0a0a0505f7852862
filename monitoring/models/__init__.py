from monitoring.models.accounts import GroupPolicy, GroupScope, PortalSettings
from monitoring.models.history import PipelineRollup
from monitoring.models.portal import (
    CollectorState,
    IntegrityReport,
    PipelineSample,
    PipelineSettings,
    RunCopy,
    RunEntityCopy,
    SeenDay,
    SeenHistory,
    UserPreferences,
)
from monitoring.models.trail import AppendOnly, TrailEntry
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
