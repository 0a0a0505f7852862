"""The driver that pip brought is found where no Microsoft package is installed; what pyodbc lacks is one line."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from etlportal.backends.sqlserver import odbc

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = "[ODBC Driver 17 for SQL Server]\nDriver = {library}\n\n[FreeTDS]\nDriver = /usr/lib/libtdsodbc.so\n"
RELEASES = {
    "debian": ({"ID": "debian"}, "debian_ubuntu"),
    "mint": ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "debian_ubuntu"),
    "rocky": ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "rhel"),
    "amazon": ({"ID": "amzn", "ID_LIKE": "fedora"}, "rhel"),
    "leap": ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "suse"),
    "alpine": ({"ID": "alpine"}, "alpine"),
    "unknown": ({"ID": "somethingelse"}, "debian_ubuntu"),
    "silent": ({}, "debian_ubuntu"),
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine whose driver manager knows of nothing, and an environment that is put back."""
    for name in ("ODBCSYSINI", "ODBCINSTINI"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(odbc, "SYSTEM_FOLDERS", (str(tmp_path / "etc"),))


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """The machine's odbcinst.ini, with version 17 in it."""
    (tmp_path / "etc").mkdir()
    library = tmp_path / "libmsodbcsql-17.so"
    library.touch()
    path = tmp_path / "etc" / "odbcinst.ini"
    path.write_text(INSTALLED.format(library=library))
    return path


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return the library (relative to the package) that is found on such a machine, of those in the package."""
    package = tmp_path / "package"

    def find(*names: str, system: str, machine: str, release: dict[str, str] | None = None) -> str | None:
        for name in names:
            (package / "libs" / name).parent.mkdir(parents=True, exist_ok=True)
            (package / "libs" / name).touch()
        with monkeypatch.context() as patch:
            spec = ModuleSpec("driver", None, origin=str(package / "__init__.py"))
            patch.setattr(odbc.importlib.util, "find_spec", lambda name: spec)
            patch.setattr(odbc.platform, "system", lambda: system)
            patch.setattr(odbc.platform, "machine", lambda: machine)
            patch.setattr(odbc.platform, "freedesktop_os_release", lambda: release or {})
            library = odbc.packaged_library()
        return None if library is None else library.relative_to(package / "libs").as_posix()

    return find


@pytest.mark.parametrize(("release", "family"), RELEASES.values(), ids=RELEASES)
def test_each_distribution_has_its_own(found: Any, release: dict[str, str], family: str) -> None:
    families = ("debian_ubuntu", "rhel", "suse", "alpine")
    names = [f"linux/{each}/x86_64/lib/libmsodbcsql-18.6.so.2.1" for each in families]
    library = found(*names, system="Linux", machine="AMD64", release=release)
    assert library == f"linux/{family}/x86_64/lib/libmsodbcsql-18.6.so.2.1"


def test_a_package_with_one_distribution_gives_that_one(found: Any) -> None:
    """The wheel for musl has one folder only, independent of os-release."""
    name = "linux/alpine/arm64/lib/libmsodbcsql-18.6.so.2.1"
    assert found(name, system="Linux", machine="aarch64", release={"ID": "wolfi"}) == name
    assert found(name, system="Linux", machine="riscv64") is None


def test_macs_and_windows(found: Any) -> None:
    name = "macos/arm64/lib/libmsodbcsql.18.dylib"
    assert found(name, system="Darwin", machine="arm64") == name
    # Windows' drivers are in its registry: a file makes none.
    assert found(name, system="Windows", machine="AMD64") is None


def test_it_is_the_one_that_the_package_itself_would_take() -> None:
    bindings = importlib.import_module("mssql_python.ddbc_bindings")
    package = Path(str(importlib.import_module("mssql_python_odbc").__file__)).parent
    assert odbc.packaged_library() == Path(bindings.GetDriverPathCpp(str(package)))


def test_pips_driver_is_listed_beside_the_machines(tmp_path: Path, system: Path) -> None:
    system.write_text("[FreeTDS]\nDriver = /usr/lib/libtdsodbc.so\n")
    odbc.register(tmp_path / "data" / "odbc")
    assert os.environ["ODBCSYSINI"] == str(tmp_path / "data" / "odbc")
    listed = (tmp_path / "data" / "odbc" / "odbcinst.ini").read_text()
    assert listed.startswith("[FreeTDS]\nDriver = /usr/lib/libtdsodbc.so\n\n[ODBC Driver 18 for SQL Server]\n")
    assert f"Driver={odbc.packaged_library()}\n" in listed
    assert odbc.driver_name() == "ODBC Driver 18 for SQL Server"
    assert (tmp_path / "data" / "odbc").stat().st_mode & 0o077 == 0


def test_twice_is_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odbc.register(tmp_path / "odbc")
    first = (tmp_path / "odbc" / "odbcinst.ini").stat()
    monkeypatch.setenv("ODBCSYSINI", "")  # another process
    odbc.register(tmp_path / "odbc")
    second = (tmp_path / "odbc" / "odbcinst.ini").stat()
    assert (first.st_ino, first.st_mtime_ns) == (second.st_ino, second.st_mtime_ns)
    assert [path.name for path in (tmp_path / "odbc").iterdir()] == ["odbcinst.ini"]


def test_an_installed_driver_comes_first(tmp_path: Path, system: Path) -> None:
    odbc.register(tmp_path / "odbc")
    assert not (tmp_path / "odbc").exists()
    assert os.environ["ODBCSYSINI"] == ""
    assert odbc.driver_name() == "ODBC Driver 17 for SQL Server"
    assert odbc.driver_name("My own driver") == "My own driver"


def test_one_that_is_listed_but_gone_does_not(tmp_path: Path, system: Path) -> None:
    system.write_text(INSTALLED.format(library=tmp_path / "removed.so"))
    odbc.register(tmp_path / "odbc")
    assert odbc.driver_name() == "ODBC Driver 18 for SQL Server"


def test_a_folder_that_cannot_be_written_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    odbc.register(tmp_path / "file" / "odbc")
    folder = Path(os.environ["ODBCSYSINI"])
    assert "[ODBC Driver 18 for SQL Server]" in (folder / "odbcinst.ini").read_text()
    assert folder.stat().st_mode & 0o077 == 0
    (folder / "odbcinst.ini").unlink()
    folder.rmdir()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImportError("libodbc.so.2: cannot open shared object file: No such file or directory"), "libodbc2"),
        (ModuleNotFoundError("No module named 'pyodbc'", name="pyodbc"), "pip install -r requirements.txt"),
        (ImportError("libstdc++.so.6: cannot open shared object file"), "libstdc++.so.6"),
    ],
)
def test_what_pyodbc_lacks_is_one_line(monkeypatch: pytest.MonkeyPatch, error: ImportError, said: str) -> None:
    def refuse(name: str) -> None:
        assert name == "pyodbc"
        raise error

    monkeypatch.setattr(odbc.importlib, "import_module", refuse)
    problem = odbc.driver_manager_problem()
    assert problem is not None
    assert said in problem
    assert "\n" not in problem
    if said == "libodbc2":
        assert "dnf install unixODBC" in problem
        assert "apk add unixodbc" in problem


def test_a_driver_that_lacks_a_library_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "driver.so").write_text("no library")
    monkeypatch.setattr(odbc, "packaged_library", lambda: tmp_path / "driver.so")
    problem = odbc.driver_manager_problem()
    assert problem is not None
    assert "driver.so" in problem
    assert "apt-get install libgssapi-krb5-2" in problem
    assert "\n" not in problem


def test_here_it_lacks_nothing() -> None:
    assert odbc.driver_manager_problem() is None
    done = subprocess.run([sys.executable, "-m", odbc.__name__], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_machine_without_the_manager_is_told_by_the_command(tmp_path: Path) -> None:
    """`make test` begins with it: one line, and an exit code."""
    (tmp_path / "pyodbc.py").write_text("raise ImportError('libodbc.so.2: cannot open shared object file')")
    variables = {"PYTHONPATH": str(tmp_path), "PATH": os.defpath}
    done = subprocess.run(
        [sys.executable, "-m", odbc.__name__], cwd=ROOT, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "apt-get install libodbc2" in done.stderr
