"""Pages with roll-ups say so in both languages, in tables and in exports; shorter ranges do not."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from monitoring.models import UserPreferences
from monitoring.rules.figures import RANGES
from monitoring.rules.rollups import DAY, HOUR, day_of
from monitoring.web.cache import cache
from tests import factories
from tests.factories import NOW
from tests.integration.test_pipeline_trends import NAME, day, hour, run_day, sample
from tests.support.htmx import parse

Clients = Callable[[str], Client]

pytestmark = pytest.mark.django_db(databases=("default", "dw", "oltp"))

EN = {"7d": "hourly averages (roll-up)", "30d": "hourly averages (roll-up)"}
PT = {"7d": "médias por hora (consolidado)", "30d": "médias por hora (consolidado)"}
DAYS_EN, DAYS_PT = "daily averages (roll-up) of UTC days", "médias por dia (consolidado) de dias UTC"


@pytest.fixture
def years(snapshot_stored: Any) -> None:
    """Four years of one pipeline, whose newest sample is far from all that is rolled up."""
    source = factories.pending_source(123_456, total=1000)
    snapshot_stored(factories.snapshot(factories.pipeline(NAME, source=source)))
    totals = {"is_active": True, "status_last": "ok", "source_total": 100, "target_total": 99}
    for back in range(2, 1500, 5):
        day(day_of(NOW) - back * DAY, eligible_min=11, eligible_avg=22, eligible_max=33, **totals)
        run_day(day_of(NOW) - back * DAY)
    for back in range(3, 24 * 30):
        hour(NOW - back * HOUR, eligible_min=11, eligible_avg=22, eligible_max=33, **totals)
    sample(NOW - HOUR / 2, eligible=25)
    sample(NOW, eligible=25)
    cache.clear()


def page(client: Client, window: str) -> str:
    address = reverse("monitoring:pipeline-trends", args=(NAME,))
    return str(parse(client.get(address, {"window": window}).content.decode()).text)


@pytest.mark.parametrize("window", list(RANGES))
@pytest.mark.parametrize("language", ["en", "pt-br"])
def test_the_pipelines_page_says_it(client_as: Clients, years: None, users: Any, language: str, window: str) -> None:
    UserPreferences.objects.create(user=users["viewer"], language=language)
    text = page(client_as("viewer"), window)
    said = (EN if language == "en" else PT).get(window, DAYS_EN if language == "en" else DAYS_PT)
    assert (said in text) == (window != "24h")
    assert ("roll-up" in text or "consolidado" in text) == (window != "24h")
    if language == "en":
        assert "Last 123,456, lowest" in text, "the newest sample's value, in every range"
        assert ("Lowest to highest" in client_as("viewer").get(
            reverse("monitoring:pipeline-trends", args=(NAME,)), {"window": window}
        ).content.decode()) == (window != "24h")  # fmt: skip


@pytest.mark.parametrize("window", list(RANGES))
@pytest.mark.parametrize("language", ["en", "pt-br"])
def test_the_summary_says_it(client_as: Clients, years: None, users: Any, language: str, window: str) -> None:
    UserPreferences.objects.create(user=users["viewer"], language=language)
    address = reverse("monitoring:summary-kpis")
    html = client_as("viewer").get(address, {"trend": window}).content.decode()
    said = (EN if language == "en" else PT).get(window, DAYS_EN if language == "en" else DAYS_PT)
    assert (said in html) == (window != "24h")
    if language == "en" and window != "24h":
        assert "to 123,456" in html, "where it has got to is the newest sample's to say"
        assert "from 22 to" in html


@pytest.mark.parametrize("address", [reverse("monitoring:summary"), reverse("monitoring:pipeline", args=(NAME,))])
def test_a_range_that_there_is_not_is_a_day(client_as: Clients, years: None, address: str) -> None:
    html = client_as("viewer").get(address, {"trend": "9y", "window": "9y"}).content.decode()
    assert "There is no window “9y”. Showing 24 hours." in html


@pytest.mark.parametrize("window", list(RANGES))
def test_the_file_holds_all_points_and_what_they_stand_for(client_as: Clients, years: None, window: str) -> None:
    address = reverse("monitoring:pipeline-trends-export", args=(NAME, "csv"))
    response = client_as("viewer").get(address, {"window": window})
    assert response.status_code == 200
    content = b"".join(response.streaming_content) if response.streaming else response.content
    lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    head, rows = lines[0], lines[1:]
    assert head == ["Figure", "When", "Value or average", "Lowest", "Highest", "Meaning"]
    eligible = [row for row in rows if row[0].startswith("Eligible")]
    if window == "24h":
        assert {tuple(row[3:]) for row in eligible} == {("", "", "")}
    else:
        assert all("roll-up" in row[5] for row in eligible)
        assert (float(eligible[1][2]), float(eligible[1][3]), float(eligible[1][4])) == (22, 11, 33)
    assert client_as("viewer").get(reverse("monitoring:pipeline-trends-export", args=(NAME, "exe"))).status_code == 404
