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
    return _driver_problem()


def _driver_problem() -> str | None:
    """Return what pip's driver lacks if no other is installed: it needs the Kerberos libraries."""
    library = packaged_library()
    if library is None or installed(_system_ini()) is not None:
        return None
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return (
            f"Microsoft's ODBC driver cannot be loaded ({error}). Debian, Ubuntu: apt-get install libgssapi-krb5-2; "
            "Red Hat: dnf install krb5-libs; Alpine: apk add krb5-libs"
        )
    return None


def register(folder: Path) -> None:
    """Register pip's driver with the driver manager, unless a Microsoft driver is installed.

    Writes odbcinst.ini to `folder`, or to a private temporary folder if that is read-only, and sets ODBCSYSINI.
    """
    system = _system_ini()
    library = packaged_library()
    if library is None or installed(system) is not None:
        return
    listed = system.read_text(encoding="utf-8", errors="replace").strip() if system else ""
    content = f"{listed}\n\n" if listed else ""
    content += f"[{NAMES[0]}]\nDescription=Microsoft's driver, installed by pip\nDriver={library}\nUsageCount=1\n"
    os.environ["ODBCSYSINI"] = str(_written(folder, content))
    os.environ["ODBCINSTINI"] = "odbcinst.ini"


def driver_name(explicit: str = "") -> str:
    """Return the configured driver, else an installed one, else pip's."""
    return explicit or installed(_system_ini()) or NAMES[0]


def installed(ini: Path | None) -> str | None:
    if ini is None:
        return None
    parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    try:
        parser.read_string(ini.read_text(encoding="utf-8", errors="replace"))
    except (OSError, configparser.Error):
        return None
    return next((name for name in NAMES if name in parser and Path(parser[name].get("driver") or "").is_file()), None)


def packaged_library(
    libs: Path | None = None,
    *,
    system: str | None = None,
    machine: str | None = None,
    release: Mapping[str, str] | None = None,
) -> Path | None:
    """Return the driver library in pip's package. The package's own resolver is in mssql-python, not installed here."""
    libs = libs or _libs()
    system, machine = system or platform.system(), (machine or platform.machine()).lower()
    machine = _MACHINES.get(machine, machine)
    if libs is None or system not in {"Linux", "Darwin"}:
        return None
    if system == "Darwin":
        return _library(libs / "macos" / machine / "lib", "libmsodbcsql*.dylib")
    families = [_family(release if release is not None else _os_release()), *_FAMILIES]
    found = (_library(libs / "linux" / family / machine / "lib", "libmsodbcsql*.so*") for family in families)
    return next(filter(None, found), None)


def _family(release: Mapping[str, str]) -> str:
    """Return the package's folder for a distribution, from ID and ID_LIKE of os-release."""
    names = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    names |= {name.split("-")[0] for name in names}
    return next((family for family, members in _FAMILIES.items() if names & members), "debian_ubuntu")


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _libs() -> Path | None:
    spec = importlib.util.find_spec(PACKAGE)
    return Path(spec.origin).parent / "libs" if spec and spec.origin else None


def _library(folder: Path, pattern: str) -> Path | None:
    return max(folder.glob(pattern), default=None)


def _system_ini() -> Path | None:
    name = os.environ.get("ODBCINSTINI") or "odbcinst.ini"
    chosen = os.environ.get("ODBCSYSINI")
    folders = (chosen,) if chosen else SYSTEM_FOLDERS
    return next((path for path in (Path(folder) / name for folder in folders) if path.is_file()), None)


def _written(folder: Path, content: str) -> Path:
    """Write odbcinst.ini to `folder`, or to a private one if that is read-only. Return the folder."""
    try:
        return _write(folder, content)
    except OSError:
        return _write(Path(tempfile.mkdtemp(prefix="etlportal-odbc-")), content)


def _write(folder: Path, content: str) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "odbcinst.ini"
    if not path.is_file() or path.read_text(encoding="utf-8") != content:
        # Atomically, because another process may be reading it.
        handle, name = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        Path(name).replace(path)
    return folder


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


if __name__ == "__main__":
    problem = driver_manager_problem()
    sys.exit(problem)
