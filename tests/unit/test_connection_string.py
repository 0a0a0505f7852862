"""Values with any character reach the driver unchanged and add no keyword."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etlportal.backends.sqlserver.odbc import (
    ConnectionValueError,
    connection_string,
    keywords_of,
    masked,
)

NASTY = (
    ";}{ $a=b",
    "}};UID=sa;PWD=x",
    "};Trusted_Connection=yes;{",
    "{abc}",
    "}",
    "}}",
    "{",
    "{}",
    " before and behind ",
    "a;SERVER=evil",
    "=;=",
    "é ß 漢字",
    "a'b\"c",
    "[x]?*!@()",
    "\\back%s%d",
)
SETTINGS: dict[str, Any] = {
    "HOST": "sql.example.com",
    "PORT": "1433",
    "NAME": "DW",
    "USER": "etl_monitor",
    "PASSWORD": "secret",
    "OPTIONS": {"encrypt": "yes", "trust_server_certificate": "no"},
}

# Half of the characters are those that mean something.
VALUES = st.text(st.one_of(st.sampled_from("{};= '\"[]"), st.characters(blacklist_categories=("Cc", "Cs"))))
KEYWORDS = st.sampled_from(("DRIVER", "SERVER", "DATABASE", "UID", "PWD", "APP"))


def parsed(text: str) -> list[tuple[str, str]]:
    """Read a connection string by the grammar of [MS-ODBCSTR] 2.1, one character after the other."""
    found, at = [], 0
    while at < len(text):
        end = text.index("=", at)
        keyword, at = text[at:end].strip(" ;"), end + 1
        value = ""
        if text[at : at + 1] == "{":
            at += 1
            while True:
                if text.startswith("}}", at):
                    value, at = value + "}", at + 2
                elif text[at] == "}":
                    at += 1
                    break
                else:
                    value, at = value + text[at], at + 1
            assert text[at : at + 1] in ("", ";")
        else:
            end = text.find(";", at)
            end = len(text) if end < 0 else end
            value, at = text[at:end].strip(), end
        found.append((keyword, value))
        at += 1
    return found


@given(st.dictionaries(KEYWORDS, VALUES))
def test_it_reads_back_as_it_was_put_in(keywords: dict[str, str]) -> None:
    assert parsed(connection_string(keywords)) == list(keywords.items())


@pytest.mark.parametrize("value", NASTY)
@pytest.mark.parametrize("part", ["HOST", "NAME", "USER", "PASSWORD"])
def test_no_setting_adds_a_keyword(part: str, value: str) -> None:
    plain = keywords_of(SETTINGS, driver="d", application="etlportal-web")
    nasty = keywords_of({**SETTINGS, part: value}, driver="d", application="etlportal-web")
    found = parsed(connection_string(nasty))
    assert [keyword for keyword, _ in found] == list(plain)
    assert dict(found) == nasty
    assert any(value in each for each in nasty.values())


@pytest.mark.parametrize("value", ["a\x00b", "a\nb", "a\rb", "\x1b", "a\x7f"])
def test_a_control_character_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(ConnectionValueError) as raised:
        connection_string({"PWD": value})
    assert str(raised.value) == "PWD holds a control character."


@pytest.mark.parametrize("keyword", ["", "UID=x;PWD", "PWD;", "A}", " UID"])
def test_a_keyword_is_a_word(keyword: str) -> None:
    with pytest.raises(ConnectionValueError):
        connection_string({keyword: "x"})


@pytest.mark.parametrize("password", NASTY)
def test_it_is_shown_without_its_password(password: str) -> None:
    keywords = keywords_of({**SETTINGS, "PASSWORD": password}, driver="d", application="etlportal-web")
    shown = dict(parsed(masked(keywords)))
    assert shown == {**keywords, "PWD": "***"}


def _identity(**changes: Any) -> dict[str, str]:
    options = {**SETTINGS["OPTIONS"], **changes.pop("options", {})}
    keywords = keywords_of({**SETTINGS, **changes, "OPTIONS": options}, driver="d", application="a")
    return {name: keywords[name] for name in ("UID", "PWD", "Trusted_Connection", "Authentication") if name in keywords}


def test_who_signs_in() -> None:
    assert _identity() == {"UID": "etl_monitor", "PWD": "secret"}
    assert _identity(USER="", PASSWORD="") == {"Trusted_Connection": "yes"}
    managed = {"authentication": "ActiveDirectoryMsi"}
    assert _identity(USER="", PASSWORD="", options=managed) == {"Authentication": "ActiveDirectoryMsi"}
    assert _identity(options=managed) == {"Authentication": "ActiveDirectoryMsi", "UID": "etl_monitor"}
    principal = {"authentication": "ActiveDirectoryServicePrincipal"}
    assert _identity(options=principal) == {"Authentication": principal["authentication"], **_identity()}


def test_what_is_not_asked_for_is_not_said() -> None:
    keywords = keywords_of(SETTINGS, driver="d", application="a")
    assert keywords.keys().isdisjoint({"ApplicationIntent", "MultiSubnetFailover"})
    assert keywords["SERVER"] == "sql.example.com,1433"
    assert keywords_of({**SETTINGS, "PORT": ""}, driver="d", application="a")["SERVER"] == "sql.example.com"
    more = {**SETTINGS, "OPTIONS": {"application_intent": "ReadOnly", "multi_subnet_failover": "Yes"}}
    keywords = keywords_of(more, driver="d", application="a")
    assert (keywords["ApplicationIntent"], keywords["MultiSubnetFailover"]) == ("ReadOnly", "Yes")
    # Nothing said is nothing weakened.
    assert (keywords["Encrypt"], keywords["TrustServerCertificate"]) == ("yes", "no")
