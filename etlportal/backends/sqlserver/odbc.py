"""Find or register an ODBC driver and build connection strings, without Django.

An installed Microsoft driver is used first. Otherwise the driver in the package `mssql_python_odbc` is added to a
private odbcinst.ini, after the machine's own drivers. This must happen before pyodbc loads. On Windows drivers are
in the registry, and Microsoft's has its own installer.

`python -m etlportal.backends.sqlserver.odbc` prints what is missing in one line, and exits with 1.
"""

from __future__ import annotations

import configparser
import ctypes
import importlib
import importlib.util
import os
import platform
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAMES = ("ODBC Driver 18 for SQL Server", "ODBC Driver 17 for SQL Server")
SYSTEM_FOLDERS = ("/etc", "/etc/unixODBC", "/usr/local/etc", "/opt/homebrew/etc")
PACKAGE = "mssql_python_odbc"
_FAMILIES = {
    "debian_ubuntu": {"debian", "ubuntu"},
    "rhel": {"rhel", "fedora", "centos", "rocky", "almalinux", "amzn", "ol"},
    "suse": {"suse", "sles", "opensuse"},
    "alpine": {"alpine"},
}
_MACHINES = {"amd64": "x86_64", "aarch64": "arm64"}

MASK = "***"
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z_ ]*[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BRACES_ONLY_WHERE_NEEDED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\\,-]*")

UNENCRYPTED = frozenset({"no", "optional"})
WITHOUT_PASSWORD = frozenset({"activedirectorymsi", "activedirectoryintegrated"})


def driver_manager_problem() -> str | None:
    """Return in one line what pyodbc lacks on this machine and the command that installs it, or None."""
    try:
        importlib.import_module("pyodbc")
    except ModuleNotFoundError:
        return "pyodbc is not installed: pip install -r requirements.txt"
    except ImportError as error:
        if "odbc" not in str(error).removeprefix("pyodbc").lower():
            return f"pyodbc cannot be loaded: {error}"
        return (
            "The ODBC driver manager is missing, without which no SQL Server can be reached. Debian, Ubuntu: "
            "apt-get install libodbc2; Red Hat: dnf install unixODBC; Alpine: apk add unixodbc"
        )
    library = packaged_library()
    if library is None or installed() is not None:
        return None
    try:
        ctypes.CDLL(str(library))
    except OSError as error:  # it needs the Kerberos libraries
        return (
            f"Microsoft's ODBC driver cannot be loaded ({error}). Debian, Ubuntu: apt-get install libgssapi-krb5-2; "
            "Red Hat: dnf install krb5-libs; Alpine: apk add krb5-libs"
        )
    return None


def register(folder: Path) -> None:
    """Register pip's driver with the driver manager, unless a Microsoft driver is installed.

    Writes odbcinst.ini to `folder`, or to a private temporary folder if that is read-only, and sets ODBCSYSINI.
    """
    library = packaged_library()
    if library is None or installed() is not None:
        return
    listed = _system_drivers().strip()
    content = f"{listed}\n\n" if listed else ""
    content += f"[{NAMES[0]}]\nDescription=Microsoft's driver, installed by pip\nDriver={library}\nUsageCount=1\n"
    try:
        _write(folder, content)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="etlportal-odbc-"))
        _write(folder, content)
    os.environ["ODBCSYSINI"] = str(folder)
    os.environ["ODBCINSTINI"] = "odbcinst.ini"


def _write(folder: Path, content: str) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "odbcinst.ini"
    if not path.is_file() or path.read_text(encoding="utf-8") != content:
        # Atomically, because another process may be reading it.
        handle, name = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        Path(name).replace(path)


def driver_name(explicit: str = "") -> str:
    """Return the configured driver, else an installed one, else pip's."""
    return explicit or installed() or NAMES[0]


def installed() -> str | None:
    """Return the Microsoft driver that is registered on this machine."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    try:
        parser.read_string(_system_drivers())
    except configparser.Error:
        return None
    return next((name for name in NAMES if name in parser and Path(parser[name].get("driver") or "").is_file()), None)


def _system_drivers() -> str:
    """Return the text of the driver manager's odbcinst.ini, empty without one."""
    name = os.environ.get("ODBCINSTINI") or "odbcinst.ini"
    chosen = os.environ.get("ODBCSYSINI")
    for folder in (chosen,) if chosen else SYSTEM_FOLDERS:
        if (path := Path(folder) / name).is_file():
            return path.read_text(encoding="utf-8", errors="replace")
    return ""


def packaged_library() -> Path | None:
    """Return the driver library in pip's package. The package's own resolver is in mssql-python, not installed here."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    libs, machine = Path(spec.origin).parent / "libs", platform.machine().lower()
    machine = _MACHINES.get(machine, machine)
    if platform.system() == "Darwin":
        return max((libs / "macos" / machine / "lib").glob("libmsodbcsql*.dylib"), default=None)
    if platform.system() != "Linux":
        return None
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    names = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    names |= {name.split("-")[0] for name in names}
    # The distribution's own first; for an unknown one Debian's, and what there is.
    families = sorted(_FAMILIES, key=lambda family: not names & _FAMILIES[family])
    folders = (libs / "linux" / family / machine / "lib" for family in families)
    return next((max(found) for folder in folders if (found := list(folder.glob("libmsodbcsql*.so*")))), None)


class ConnectionValueError(ValueError):
    """A value that a connection string cannot contain. Names the keyword, never the value."""


def connection_string(keywords: Mapping[str, str]) -> str:
    """Return an ODBC connection string. Raises ConnectionValueError for a control character.

    Values are in braces unless plain. By [MS-ODBCSTR] only a closing brace is special there, and it is doubled. So no
    value can end early or add a keyword.
    """
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
    """Return the connection keywords for one alias of DATABASES. See wrapper.py for its OPTIONS; none is free text."""
    options = settings.get("OPTIONS", {})
    host, port = str(settings.get("HOST") or "localhost"), str(settings.get("PORT") or "")
    user, authentication = str(settings.get("USER") or ""), str(options.get("authentication") or "")
    identity = {"Authentication": authentication} if authentication else {}
    if user:
        identity["UID"] = user
        if authentication.lower() not in WITHOUT_PASSWORD:
            identity["PWD"] = str(settings.get("PASSWORD") or "")
    keywords = {
        "DRIVER": driver,
        "SERVER": f"{host},{port}" if port else host,
        "DATABASE": str(settings.get("NAME") or "master"),
        **(identity or {"Trusted_Connection": "yes"}),
        "Encrypt": str(options.get("encrypt", "yes")),
        "TrustServerCertificate": str(options.get("trust_server_certificate", "no")),
        "APP": application,
        # Django opens a new connection when one has died. The driver's own retry would take ten seconds.
        "ConnectRetryCount": "0",
        "ApplicationIntent": str(options.get("application_intent") or ""),
        "MultiSubnetFailover": str(options.get("multi_subnet_failover") or ""),
    }
    return {keyword: value for keyword, value in keywords.items() if value or keyword == "PWD"}


def without_password(text: str, password: str) -> str:
    """Return `text` with the password masked, also as it is escaped in a connection string."""
    return text.replace(password.replace("}", "}}"), MASK).replace(password, MASK) if password else text


def masked(keywords: Mapping[str, str]) -> str:
    return ";".join(
        f"{keyword}={MASK}" if keyword == "PWD" else _pair(keyword, value) for keyword, value in keywords.items()
    )


if __name__ == "__main__":
    sys.exit(driver_manager_problem())
