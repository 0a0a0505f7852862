"""Connection strings for ODBC from Django's settings. Needs neither Django nor a driver.

Every value is written in braces unless it is plain. By [MS-ODBCSTR] only a closing brace has a meaning there, and it is
doubled. So no value, whatever characters it has, can end early or add a keyword.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z_ ]*[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BRACES_ONLY_WHERE_NEEDED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\\,-]*")

UNENCRYPTED = frozenset({"no", "optional"})
"""Values of `encrypt` with which data may travel in the clear."""
WITHOUT_PASSWORD = frozenset({"activedirectorymsi", "activedirectoryintegrated"})
"""Authentication methods without a password."""


class ConnectionValueError(ValueError):
    """A value that cannot be part of a connection string. Names the keyword, never the value."""


def connection_string(keywords: Mapping[str, str]) -> str:
    """Return `keywords` as an ODBC connection string. Raises ConnectionValueError for a control character."""
    return ";".join(_pair(keyword, value) for keyword, value in keywords.items())


def _pair(keyword: str, value: str) -> str:
    if not _KEYWORD.fullmatch(keyword):
        raise ConnectionValueError(f"{keyword!r} is no keyword of a connection string.")
    # The driver manager stops at a NUL, and a line break in a password is an accident.
    if _CONTROL.search(value):
        raise ConnectionValueError(f"{keyword} holds a control character.")
    if _BRACES_ONLY_WHERE_NEEDED.fullmatch(value):
        return f"{keyword}={value}"
    return f"{keyword}={{{value.replace('}', '}}')}}}"


def keywords_of(settings: Mapping[str, Any], *, driver: str, application: str) -> dict[str, str]:
    """Return the keywords for one alias of DATABASES.

    Its OPTIONS: `encrypt`, `trust_server_certificate`, `authentication`, `application_intent`, `multi_subnet_failover`
    (see wrapper.py). None of them is free text.
    """
    options = settings.get("OPTIONS", {})
    host, port = str(settings.get("HOST") or "localhost"), str(settings.get("PORT") or "")
    keywords = {
        "DRIVER": driver,
        "SERVER": f"{host},{port}" if port else host,
        "DATABASE": str(settings.get("NAME") or "master"),
        **_identity(str(settings.get("USER") or ""), str(settings.get("PASSWORD") or ""), options),
        "Encrypt": str(options.get("encrypt", "yes")),
        "TrustServerCertificate": str(options.get("trust_server_certificate", "no")),
        "APP": application,
        # Django opens a new connection when one has died. The driver's own retry would take ten seconds.
        "ConnectRetryCount": "0",
    }
    if options.get("application_intent"):
        keywords["ApplicationIntent"] = str(options["application_intent"])
    if options.get("multi_subnet_failover"):
        keywords["MultiSubnetFailover"] = str(options["multi_subnet_failover"])
    return keywords


def masked(keywords: Mapping[str, str]) -> str:
    """Return the connection string with the password masked."""
    return ";".join(
        f"{keyword}={MASK}" if keyword == "PWD" else _pair(keyword, value) for keyword, value in keywords.items()
    )


def _identity(user: str, password: str, options: Mapping[str, Any]) -> dict[str, str]:
    authentication = str(options.get("authentication") or "")
    if not authentication:
        return {"UID": user, "PWD": password} if user else {"Trusted_Connection": "yes"}
    found = {"Authentication": authentication}
    if user:
        found["UID"] = user
    if user and authentication.lower() not in WITHOUT_PASSWORD:
        found["PWD"] = password
    return found
