"""Run a command with a throw-away PostgreSQL server: `python -m tools.postgres pytest ...`.

The server is the distribution's own program over an empty folder of its own, reached by a socket in
that folder and by nothing else: no port, no password, no cluster of this machine. The command gets its
address as TEST_DATABASE_URL, which tests/settings.py understands. However the command ends, Ctrl-C
included, the server is stopped and its folder removed.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_SECONDS = 30
STOP_SECONDS = 10
OWNER = "portal"
MISSING = "PostgreSQL's server programs are needed: apt-get install --no-install-recommends postgresql"
# Nothing here outlives the command: durability is time lost.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=100")


class NoPostgres(Exception):
    """The server programs are missing, or the server did not start."""


def binaries() -> Path:
    """Return the folder of `initdb` and `postgres`: Debian's newest, else the one on the path."""

    def version(path: Path) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", path.parent.name))

    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=version)
    known = shutil.which("initdb")
    folders = [*reversed(found), *([Path(known).resolve().parent] if known else [])]
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgres(MISSING)


def server_user() -> dict[str, Any]:
    """Return the user that runs the server, as arguments for subprocess: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise NoPostgres("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody.")


def prepare(folder: Path) -> None:
    """Make an empty cluster in the folder, which becomes the server user's."""
    programs, who = binaries(), server_user()
    if who:
        os.chown(folder, who["user"], who["group"])
    initdb = [programs / "initdb", "-D", folder / "data", "-U", OWNER, "-A", "trust", "-E", "UTF8"]
    initdb += ["--locale=C.UTF-8", "--no-sync", "--no-instructions"]
    with (folder / "log").open("ab") as output:
        code = subprocess.run(initdb, stdout=output, stderr=output, check=False, **_alone(folder)).returncode
    if code:
        raise NoPostgres((folder / "log").read_text())


def start(folder: Path, settings: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the server over a prepared folder; it listens at a socket there."""
    given = [f"-c{setting}" for setting in (*settings, "listen_addresses=")]
    with (folder / "log").open("ab") as output:
        command = [binaries() / "postgres", "-D", folder / "data", "-k", folder, *given]
        return subprocess.Popen(command, stdout=output, stderr=output, **_alone(folder))


def url_of(folder: Path) -> str:
    """Return the DATABASE_URL of the server in this folder."""
    return f"postgres://{OWNER}@/{folder}/postgres"


def _alone(folder: Path) -> dict[str, Any]:
    """Its own session: Ctrl-C is for the command, the server is stopped afterwards."""
    return {"cwd": folder, "start_new_session": True, "stdin": subprocess.DEVNULL, **server_user()}


@contextmanager
def server() -> Iterator[str]:
    """Start a server; yield its DATABASE_URL; stop and remove it."""
    # A socket's path may have 107 characters: not under a TMPDIR of any length.
    folder = Path(tempfile.mkdtemp(prefix="etlportal-pg-", dir="/tmp"))
    process = None
    try:
        prepare(folder)
        process = start(folder, FAST)
        wait(process, folder)
        yield url_of(folder)
    finally:
        if process is not None:
            _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def wait(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Return once the server answers. Raises NoPostgres with its log when it does not."""
    import psycopg

    end = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(host=str(folder), user=OWNER, dbname="postgres").close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > end:
                raise NoPostgres((folder / "log").read_text()) from None
            time.sleep(0.1)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, at once
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


def run(command: Sequence[str]) -> int:
    """Run `command` with a server; return its exit code. Signals are the command's to obey; then we clean up."""
    child: subprocess.Popen[bytes] | None = None
    asked: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        asked.append(number)
        if child is None:
            raise SystemExit(128 + number)
        # Ctrl-C reached the command by the terminal already.
        if number != signal.SIGINT:
            child.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    with server() as url:
        child = subprocess.Popen(command, env={**os.environ, "TEST_DATABASE_URL": url})
        code = child.wait()
    return 128 + asked[0] if asked else code


if __name__ == "__main__":
    try:
        sys.exit(run(sys.argv[1:]))
    except NoPostgres as error:
        sys.exit(str(error))
