"""The pre-flight's checks of how we connect: encrypted, to the right server, reading as it was asked for."""

from __future__ import annotations

import ipaddress

from monitoring.enums import CheckState
from monitoring.policies.facts import Check, ConnectionReading
from monitoring.policies.terms import Terms

LOCAL_NAMES = frozenset({"localhost", "(local)", "(localdb)", ".", ""})


def is_local(host: str) -> bool:
    """Return whether a server's name, as it stands in the settings, means this machine: nobody is in between."""
    name = host.strip().lower().removeprefix("tcp:").removeprefix("lpc:")
    name = name.split("\\", maxsplit=1)[0].split(",", maxsplit=1)[0].strip("[] ")
    if name in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def traffic_checks(*readings: ConnectionReading) -> list[Check]:
    """Return the check of the encryption (one: both databases are reached the same way), and of the
    isolation of each database where it was asked for. None for the embedded warehouse."""
    known = [(each, each.terms) for each in readings if each.terms is not None]
    encryption = [_encryption(terms) for _, terms in known[:1]]
    return encryption + [_isolation(reading, terms) for reading, terms in known if terms.isolation_wanted]


def _encryption(terms: Terms) -> Check:
    safe = terms.encrypted and terms.certificate_verified
    return Check(
        code="server.encryption",
        state=CheckState.PASSED if safe or is_local(terms.host) else CheckState.WARNING,
        values={"encrypted": int(terms.encrypted), "verified": int(terms.certificate_verified)},
    )


def _isolation(reading: ConnectionReading, terms: Terms) -> Check:
    """What a database does not allow is no fault: it is read like every other one, uncommitted."""
    if not reading.reachable:
        state = CheckState.UNKNOWN
    else:
        state = CheckState.PASSED if terms.isolation == terms.isolation_wanted else CheckState.WARNING
    return Check(
        code=f"{reading.alias}.isolation",
        state=state,
        values={"isolation": terms.isolation},
        problem=None if state is not CheckState.UNKNOWN else reading.problem,
    )
