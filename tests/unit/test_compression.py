"""Compression once for many readers: of what is long enough, for who takes it."""

from __future__ import annotations

import gzip

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from etlportal.compression import SHORT, shared_answer

TEXT = "<p>ação</p>" * 100


def _asked(accepted: str) -> HttpRequest:
    return RequestFactory().get("/", headers={"accept-encoding": accepted})


def test_what_is_sent_is_the_text() -> None:
    answer = shared_answer(_asked("br, gzip;q=0.8"), TEXT)
    assert answer["Content-Encoding"] == "gzip"
    assert answer["Vary"] == "Accept-Encoding"
    assert gzip.decompress(answer.content).decode() == TEXT
    assert len(answer.content) < len(TEXT) / 4


@pytest.mark.parametrize(
    ("accepted", "text"), [("", TEXT), ("br", TEXT), ("gzip", "ã" * (SHORT - 1))], ids=["nothing", "other", "short"]
)
def test_else_it_is_sent_as_it_is(accepted: str, text: str) -> None:
    answer = shared_answer(_asked(accepted), text)
    assert "Content-Encoding" not in answer
    assert answer.content.decode() == text
