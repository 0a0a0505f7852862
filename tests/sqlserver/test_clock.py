"""Times are UTC in any time zone of the server; the known differences of this server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from tests.sqlserver.conftest import Portal
from tests.sqlserver.differences import ADAPTED
from tests.sqlserver.server import DW


def offset_minutes(portal: Portal) -> int:
    """Return how far the server's local time is from UTC, for the portal's own login."""
    return int(portal.server.rows(DW, "SELECT DATEDIFF(MINUTE, SYSUTCDATETIME(), SYSDATETIME())")[0][0])


def test_the_snapshot_is_in_utc(portal: Portal) -> None:
    """By this machine's clock too: a server whose local time slipped in would be hours off."""
    assert abs(datetime.now(UTC) - portal.snapshot.sampled_at) < timedelta(minutes=30)
    for each in portal.snapshot.pipelines:
        newest = each.newest
        assert newest is None or newest.started_at <= portal.snapshot.sampled_at


def test_the_server_has_a_zone_of_its_own(portal: Portal) -> None:
    """Where it has, all of the figures above were compared under it; else that proof is still to come."""
    minutes = offset_minutes(portal)
    if minutes == 0:
        pytest.skip("this server's zone is UTC: a server in another zone is still to be tested")
    (login_time,) = portal.server.rows(
        DW, "SELECT MAX(login_time) FROM audit.connection_login_events WHERE program_name = N'etl-runner' "
            "AND event_time_utc >= ?", portal.loaded_at
    )[0]  # fmt: skip
    wanted = (login_time - timedelta(minutes=minutes)).replace(microsecond=0)
    assert abs(wanted - portal.loaded_at) < timedelta(hours=1)
    url = reverse("monitoring:connections-events-export", args=["csv"])
    text = portal.client("auditor").get(url, {"program_name": "etl-runner"}).content.decode()
    assert f"{wanted.isoformat()}" in text


def test_what_had_to_be_adapted_is_known(portal: Portal) -> None:
    """A new difference, or one that is gone, must be recorded in differences.py and docs/sqlserver.md."""
    assert portal.server.adapted == set(ADAPTED[portal.server.family])
