"""The models: the ETL's tables (read-only) and the portal's own."""

from monitoring.models.accounts import GroupPolicy, PortalSettings
from monitoring.models.group_scope import GroupScope
from monitoring.models.history import PipelineRollup
from monitoring.models.integrity import IntegrityReport
from monitoring.models.portal import (
    CollectorState,
    PipelineSample,
    PipelineSettings,
    RunCopy,
    RunEntityCopy,
    UserPreferences,
)
from monitoring.models.seen import SeenDay, SeenHistory
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
