"""On what terms a SQL Server is talked to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the settings ask for, and what the session got. The embedded warehouse has none.

    `host`: the server's name in the settings, whatever it calls itself. `isolation`: what the session reads
    with, empty before there is one; `isolation_wanted`: empty unless the default was not good enough.
    """

    host: str
    encrypted: bool
    certificate_verified: bool
    intent: str = ""
    isolation: str = ""
    isolation_wanted: str = ""
