"""One definition per figure (METRICS), shown on demand wherever the figure is."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from monitoring.rules.enums import Rule, WatermarkState

HELP: dict[str, Any] = {
    # Per pipeline.
    "status": _(
        "The first that applies: unknown (its structure could not be read); missing tables (source or target "
        "missing, or an invalid name); running, failed or OK (its latest execution); without executions, the "
        "status in the control row; otherwise never run. An inactive pipeline keeps its status."
    ),
    "active": _("is_active in ctl.etl_control. An inactive pipeline is shown but not evaluated."),
    "structure": _("Whether the source and the target table exist."),
    "source_total": _("Rows in the source, from the engine's own metadata; an exact count only on demand."),
    "target_total": _("Rows in the target, from the engine's own metadata; an exact count only on demand."),
    "coverage": _("Rows in the target / rows in the source. No value while the source is empty."),
    "pending": _("Source rows after the watermark: eligible and cooling ones. Counted up to a cap."),
    "eligible": _("Pending rows older than the cutoff: the next run loads them."),
    "cooling": _("Pending rows younger than the cutoff: left for a later run. Normal, never an alert."),
    "latency": _(
        "Latest update in the source minus latest update in the target, never below 0. No value if the target"
        " stores the load time instead."
    ),
    "served_lag": _(
        "How long the oldest eligible row has been waiting; 0 if there is none. A pipeline is late when this "
        "exceeds its limit."
    ),
    "last_execution": _("Start, finish, status and counts of the latest execution of this pipeline."),
    "extracted": _("Rows that the latest execution read from the source. Written only when it finishes."),
    "upserted": _("Rows that the latest execution inserted or updated in the target. Written only when it finishes."),
    "soft_deleted": _("Rows that the latest execution marked as deleted. Written only when it finishes."),
    "duration": _("Finish minus start of the latest execution; while it runs, the time since its start."),
    "throughput": _("Rows upserted / duration (at least 1 second) of a success, in rows per second."),
    "watermark": _("The last (updated_at, key) loaded from the source. 1900-01-01: never loaded."),
    "watermark_state": _("What the watermark does, from the samples and the last 10 finished runs."),
    "drain": _(
        "Eligible rows / (speed of the last 5 successes - rows becoming eligible in the last hour), plus the wait for "
        "the expected next start. “Never at this rate” when rows arrive as fast as they are loaded."
    ),
    "usual_band": _("The median and the 10th to 90th percentile of its own history; needs 5 executions."),
    "failure_group": _(
        "Failures with the same class, error number, constraint, table and column. If the message names none "
        "of them: failures with the same words, ignoring numbers, quoted values, dates and names of temporary"
        " objects."
    ),
    "failure_state": _(
        "Resolved: each of its pipelines has had 3 successes since. New: first seen within the last 24 hours."
        " Recurring: all others. Unknown: the latest runs could not be read."
    ),
    "failure_unresolved": _("The latest finished execution of one of its pipelines still fails with it."),
    "last_error": _("The message of the latest execution, if it failed."),
    # Overview.
    "active_pipelines": _("Pipelines with is_active = 1, and how many there are in all."),
    "success_rate_24h": _(
        "Successful / finished runs that started in the last 24 hours. Running runs are left out; partial "
        "runs do not count as successful."
    ),
    "success_rate_7d": _(
        "Successful / finished runs that started in the last 7 days. Running runs are left out; partial runs "
        "do not count as successful."
    ),
    "failed_24h": _("Runs of the last 24 hours in which every pipeline failed. Partial runs are counted separately."),
    "partial_24h": _("Runs of the last 24 hours in which some pipelines failed and some succeeded."),
    "last_run": _("Status, age and starter of the latest run."),
    "coverage_overall": _("Sum of target rows / sum of source rows, over the pipelines that have both."),
    "pending_total": _(
        "Sum of the eligible rows, with the cooling rows shown separately. Pipelines that could not be read are named."
    ),
    "mean_latency": _("Mean of the latencies of the active pipelines that have one."),
    "worst_lag": _("The longest served lag of the active pipelines, and the pipeline that has it."),
    "mean_throughput_24h": _("Mean rows per second of the successes of the last 24 hours that moved rows."),
    "by_status": _("How many pipelines are in each status."),
    "sla": _(
        "Active pipelines without an open alert / active pipelines. A pipeline that cannot be evaluated "
        "counts as not compliant."
    ),
    # Charts.
    "chart_runs_by_status": _("Runs per day of the last 14 days, stacked by status."),
    "chart_volume": _("Rows extracted and upserted per pipeline in the last 14 days."),
    "chart_timeline": _(
        "One bar per execution of the latest runs, from start to finish. Bars of running executions are open."
    ),
    "chart_run_grid": _("Pipelines by latest runs. Colour and icon show the status, height shows the duration."),
    "chart_trend": _("The figure over time, with its typical range: median, 10th to 90th percentile."),
    "chart_connections": _("Session samples per hour of the last 24 hours, with failed executions on the same axis."),
    "chart_logins": _("The logins with the most session samples in the last 24 hours."),
    # Connection audit.
    "audit_events": _("Samples of open sessions: one session seen by ten snapshots is ten events."),
    "audit_sessions": _("Sessions, identified by number and login time. Each is counted once."),
    "audit_new_identity": _(
        "A login, host, address, program, authentication or encryption that was sampled in the window but not"
        " in the 30 days before it. Unknown if the portal's records do not go back 30 days."
    ),
    "audit_unencrypted": _(
        "Sessions with an unencrypted connection from another host: neither from the address of the server "
        "nor from a host with its name."
    ),
    "audit_unusual_hour": _(
        "A login seen at an hour of the week when it was not seen in the 30 days before the window, nor in "
        "the hours next to it. Only for logins seen on at least 14 of those days."
    ),
    "audit_shared_login": _("A login of the runner or the portal, used by a different program."),
    "audit_long_session": _("A session that had been open for more than 3 days when it was last sampled."),
    "audit_lift": _(
        "How many times more often it was sampled within 5 minutes of the start of a failed execution than "
        "within 5 minutes of the start of a successful one. A coincidence in time, not necessarily the cause."
    ),
    # Pre-flight.
    "ready_for_monitoring": _("Both databases answer, and the control and audit tables are there and readable."),
    "ready_for_first_run": _("At least one active pipeline has a valid mapping, a source and a target."),
    "ready_for_all_active": _("Every active pipeline has a valid mapping, a source and a target."),
    "age": _("How long ago the collector took these figures."),
    "failed_logins": _("Not collected: the connection table holds samples of open sessions, not failed logins."),
}

RULE_HELP: dict[Rule, Any] = {
    Rule.FAILED: _("Critical when the latest finished execution of an active pipeline failed."),
    Rule.LATE_WATERMARK: _("The served lag is over its limit: 120 minutes for a warning, 360 for critical."),
    Rule.NO_RECENT_RUN: _("The latest finish is more than 24 hours ago; critical beyond 72 hours, or never."),
    Rule.RECURRENT_FAILURE: _("At least 3 failures, and 30 % of the last 7 days' executions; critical at 50 %."),
    Rule.STUCK_RUN: _(
        "It has been running for more than 3 times the 95th percentile of its durations, and at least 30 "
        "minutes; critical when a later run has finished or two session samples show no runner."
    ),
    Rule.STALLED_WATERMARK: _(
        "The watermark did not move over 3 finished runs while rows were eligible; critical when all of them succeeded."
    ),
    Rule.UNUSUAL_VOLUME: _(
        "Outside median ± 3.5 robust deviations (1.4826 × MAD) of the last 30 successes; needs 10, and 100 rows of "
        "difference."
    ),
    Rule.UNUSUAL_DURATION: _(
        "Outside median ± 3.5 robust deviations (1.4826 × MAD) of the last 30 successes; needs 10, and 60 seconds of "
        "difference."
    ),
    Rule.SILENT_NO_OP: _("Two successes in a row extracted nothing although older rows were eligible."),
    Rule.COVERAGE_DROP: _("Coverage is more than 5 points under its 7-day median; critical more than 20."),
    Rule.STRUCTURE: _("The source or target table is missing, or its name is invalid."),
    Rule.PREFLIGHT: _("A pre-flight check failed; critical when a database was unreachable for 3 samples."),
}

WATERMARK_HELP: dict[WatermarkState, Any] = {
    WatermarkState.CURRENT: _("The runs keep up: in at least one sample during the last runs nothing was eligible."),
    WatermarkState.REWOUND: _("The watermark moved back: rows that were already loaded are loaded again."),
    WatermarkState.STOPPED: _("Rows are eligible, and no run has finished for much longer than usual."),
    WatermarkState.STALLED: _("Runs finish and rows are eligible, but the watermark does not move."),
    WatermarkState.FALLING_BEHIND: _("The watermark moves, but the number of eligible rows does not decrease."),
    WatermarkState.DRAINING: _("The watermark moves and the number of eligible rows decreases."),
    WatermarkState.NOT_ENOUGH_HISTORY: _("Fewer than 3 finished runs: too early to say."),
    WatermarkState.UNKNOWN: _("It could not be evaluated: the pending rows could not be read or compared."),
}
