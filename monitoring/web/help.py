"""One definition per figure (METRICS), shown on demand wherever the figure is."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from monitoring.rules.enums import Rule, WatermarkState

HELP: dict[str, Any] = {
    # Per pipeline.
    "status": _(
        "The first that holds: unknown (its structure could not be read), structure missing (source or target absent, "
        "or a name invalid), running, failed or OK (its newest execution), and without one what the control row says; "
        "else never run. An inactive pipeline keeps its status."
    ),
    "active": _("is_active in ctl.etl_control. An inactive pipeline is shown, but not judged."),
    "structure": _("Whether the source and the target table exist."),
    "source_total": _("Rows in the source, from the engine's own metadata; an exact count only on demand."),
    "target_total": _("Rows in the target, from the engine's own metadata; an exact count only on demand."),
    "coverage": _("Rows in the target / rows in the source. No value while the source is empty."),
    "pending": _("Source rows after the watermark: eligible and cooling ones. Counted up to a cap."),
    "eligible": _("Pending rows older than the cutoff: the next run takes them."),
    "cooling": _("Pending rows younger than the cutoff: left for a later run. Normal, never alarming."),
    "latency": _(
        "Newest update in the source minus newest update in the target, never below 0. No value where the target holds "
        "the time of loading instead."
    ),
    "served_lag": _("How long the oldest eligible row has been waiting; 0 when none is. This is what “late” means."),
    "last_execution": _("Start, finish, status and counts of the newest run entity of this pipeline."),
    "extracted": _("Rows that the newest execution read from the source. Written only when it finishes."),
    "upserted": _("Rows that the newest execution inserted or updated in the target. Written only when it finishes."),
    "soft_deleted": _("Rows that the newest execution marked as deleted. Written only when it finishes."),
    "duration": _("Finish minus start of the newest execution; while it runs, the time since its start."),
    "throughput": _("Rows upserted / duration (at least 1 second) of a success, in rows per second."),
    "watermark": _("Up to which (updated_at, key) the source is loaded. 1900-01-01: never loaded."),
    "watermark_state": _("What the watermark does, from the samples and the last 10 finished runs."),
    "drain": _(
        "Eligible rows / (speed of the last 5 successes - rows becoming eligible in the last hour), plus the wait for "
        "the expected next start. “Never at this rate” when rows arrive as fast as they are loaded."
    ),
    "usual_band": _("The median and the 10th to 90th percentile of its own history; needs 5 executions."),
    "failure_group": _(
        "Failures with the same class, error number, constraint, table and column; where the message names none, with "
        "the same words once numbers, quoted values, dates and names of temporary things are taken out."
    ),
    "failure_state": _(
        "Gone: each of its pipelines has had 3 successes since. New: first seen within the last 24 hours. Recurring: "
        "the others. Unknown: the newest runs could not be read."
    ),
    "failure_unresolved": _("The newest finished execution of one of its pipelines still fails with it."),
    "last_error": _("The message of the newest execution, if it failed."),
    # Overview.
    "active_pipelines": _("Pipelines with is_active = 1, and how many there are in all."),
    "success_rate_24h": _(
        "Successful / finished runs that started in the last 24 hours. Running ones are left out, partial ones are no "
        "success."
    ),
    "success_rate_7d": _(
        "Successful / finished runs that started in the last 7 days. Running ones are left out, partial ones are no "
        "success."
    ),
    "failed_24h": _("Runs of the last 24 hours in which every pipeline failed; partial ones are counted beside it."),
    "partial_24h": _("Runs of the last 24 hours in which some pipelines failed and some succeeded."),
    "last_run": _("Status, age and starter of the newest run."),
    "coverage_overall": _("Sum of target rows / sum of source rows, over the pipelines that have both."),
    "pending_total": _("Sum of the eligible rows; the cooling ones beside it. What could not be read is named."),
    "mean_latency": _("Mean of the latencies of the active pipelines that have one."),
    "worst_lag": _("The longest served lag of the active pipelines, and whose it is."),
    "mean_throughput_24h": _("Mean rows per second of the successes of the last 24 hours that moved rows."),
    "by_status": _("How many pipelines are in each status."),
    "sla": _("Active pipelines without an open alert / active pipelines. One that cannot be judged does not comply."),
    # Charts.
    "chart_runs_by_status": _("Runs per day of the last 14 days, stacked by status."),
    "chart_volume": _("Rows extracted and upserted per pipeline in the last 14 days."),
    "chart_timeline": _("A bar per execution of the newest runs, from start to finish; running ones are open."),
    "chart_run_grid": _("Pipelines by newest runs; colour and sign tell the status, the height the duration."),
    "chart_trend": _("The figure over time, with its usual band: median, 10th to 90th percentile."),
    "chart_connections": _("Session samples per hour of the last 24 hours, with failed executions on the same axis."),
    "chart_logins": _("The logins with the most session samples in the last 24 hours."),
    # Connection audit.
    "audit_events": _("Samples of open sessions: one session seen by ten snapshots is ten events."),
    "audit_sessions": _("Sessions, told apart by number and login time; each counts once."),
    "audit_new_identity": _(
        "A login, host, address, program, authentication or encryption that was sampled in the window and in none of "
        "the samples of the 30 days before it. Where the portal's memory does not reach back 30 days, it is unknown "
        "whether it is new."
    ),
    "audit_unencrypted": _(
        "Sessions whose connection was not encrypted and came from another host than the server itself: not from its "
        "own address, and not from a host of the server's name."
    ),
    "audit_unusual_hour": _(
        "A login sampled in an hour of the week in which, and in the hours beside it, it was never sampled in the 30 "
        "days before the window. Only for logins that were seen on at least 14 of those days."
    ),
    "audit_shared_login": _(
        "A login that the runner or the portal uses, in a session of a program that is neither of the two."
    ),
    "audit_long_session": _("A session whose login was more than 3 days before it was last sampled."),
    "audit_lift": _(
        "How many times more often it was sampled within 5 minutes of a failed execution's start than within 5 minutes "
        "of the start of one that succeeded. It was there at the same time; it need not be why."
    ),
    # Pre-flight.
    "ready_for_monitoring": _("Both databases answer, and the control and audit tables are there and readable."),
    "ready_for_first_run": _("At least one active pipeline has a valid mapping, a source and a target."),
    "ready_for_all_active": _("Every active pipeline has a valid mapping, a source and a target."),
    "age": _("How long ago the collector took these figures."),
    "failed_logins": _("Not collected: the connection table samples open sessions, failed logins are not in it."),
}

RULE_HELP: dict[Rule, Any] = {
    Rule.FAILED: _("Critical when the newest finished execution of an active pipeline failed."),
    Rule.LATE_WATERMARK: _("The served lag is over its limit: 120 minutes for a warning, 360 for critical."),
    Rule.NO_RECENT_RUN: _("The newest finish is more than 24 hours ago; critical beyond 72 hours, or never."),
    Rule.RECURRENT_FAILURE: _("At least 3 failures, and 30 % of the last 7 days' executions; critical at 50 %."),
    Rule.STUCK_RUN: _(
        "It has been running for more than 3 times the 95th percentile, at least 30 minutes; critical when a later run "
        "has finished or two session samples show no runner."
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
    WatermarkState.CURRENT: _("The runs keep up: at some sample of the last runs nothing was eligible."),
    WatermarkState.REWOUND: _("The watermark went back: rows that were loaded before are loaded again."),
    WatermarkState.STOPPED: _("Rows are eligible, and no run has finished for much longer than usual."),
    WatermarkState.STALLED: _("Runs finish and rows are eligible, but the watermark does not move."),
    WatermarkState.FALLING_BEHIND: _("The watermark moves, but the eligible rows never get fewer."),
    WatermarkState.DRAINING: _("The watermark moves and the eligible rows get fewer."),
    WatermarkState.NOT_ENOUGH_HISTORY: _("Fewer than 3 finished runs: too early to say."),
    WatermarkState.UNKNOWN: _("It could not be judged: the pending rows could not be read or compared."),
}
