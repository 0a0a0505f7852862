"""Any name of a control row survives the way through an address."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.web.links import EntityConverter

CONVERTER = EntityConverter()
NAMES = (
    "dim_cliente", "core.customers; DROP TABLE x", "[a].[b].[c]", "", ".", "..", "a/b", "/", "//x/", "a\\b", "~", "~2F",
    "%2F", "100%", "?x=1#y", "'\"<script>", "emoji 😀🏳️‍🌈", "ação", "x" * 100, " blank ", "line\nbreak", "\x00",
    "blocks",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_come_back(name: str) -> None:
    segment = CONVERTER.to_url(name)
    assert re.fullmatch(r"[A-Za-z0-9_~\-]+", segment)
    assert CONVERTER.to_python(unquote(quote(segment))) == name


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=100))
def test_any_name_comes_back(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    assert CONVERTER.to_python(CONVERTER.to_url(name)) == name


def test_what_a_person_types_is_understood() -> None:
    assert CONVERTER.to_python("a.b c") == "a.b c"


@pytest.mark.parametrize("segment", ["~2", "a~", "~zz", "~~", "~FF"])
def test_a_broken_escape_is_no_name(segment: str) -> None:
    with pytest.raises(ValueError, match=r"hexadecimal|decode"):
        CONVERTER.to_python(segment)
