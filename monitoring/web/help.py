"""One definition per figure (METRICS), shown on demand wherever the figure is."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

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
    "failed_24h": _("Runs of the last 24 hours in which every pipeline failed. Partial runs are counted separately."),
    "last_run": _("Status, age and starter of the latest run."),
    "coverage_overall": _("Sum of target rows / sum of source rows, over the pipelines that have both."),
    "pending_total": _(
        "Sum of the eligible rows, with the cooling rows shown separately. Pipelines that could not be read are named."
    ),
    "mean_latency": _("Mean of the latencies of the active pipelines that have one."),
    "mean_throughput_24h": _("Mean rows per second of the successes of the last 24 hours that moved rows."),
    # Charts.
    "chart_runs_by_status": _("Runs per day of the last 14 days, stacked by status."),
    "chart_volume": _("Rows extracted and upserted per pipeline in the last 14 days."),
    "chart_timeline": _(
        "One bar per execution of the latest runs, from start to finish. Bars of running executions are open."
    ),
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
