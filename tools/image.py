"""Run the Dockerfile's steps without a container engine and start the result: `make image-steps`.

Every RUN and COPY runs in a temporary folder in place of the image's root, with a new virtual environment. Steps that
need a system of their own (apt-get, users) are skipped, unless `--base` names the root folder of a Debian 12 with
Python (from debootstrap): then each stage is a copy of it, and everything runs unchanged in chroot. Then the image's
CMD starts with a production environment as a user who may write to the data folder only; the image's HEALTHCHECK must
succeed, and SIGTERM must end it in order.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

from tools.dockerfile import ROOT, Instruction, instructions, last

NOBODY = 65534
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM = ("apt-get", "groupadd", "useradd")
OURS = ("/opt/venv", "/app", "/data", "/tmp/requirements.txt", "/tmp/portal")
STARTS_IN, ENDS_IN = 60.0, 15.0
PRODUCTION = {
    "ETL_SQL_SERVER": "127.0.0.1",
    "ETL_SQL_PORT": "9",  # a closed port: the portal must start nevertheless
    "ETL_SQL_USER": "etl_monitor",
    "ETL_SQL_PASSWORD": "not;a{real}=one",
    "SECRET_KEY": "not-a-real-key-but-long-enough-to-pass-for-one-5f0c1e7a9b",
    "ALLOWED_HOSTS": "portal.example.com",
}


CONNECTS = """
import django; django.setup()
from django.db import OperationalError, connections
try:
    connections["dw"].ensure_connection()
except OperationalError as error:
    raise SystemExit(0 if error.args[0] in ("08001", "HYT00") else str(error))
"""
"""With a driver missing, or a library that it needs, the state is IM002 or 01000."""


class Failed(SystemExit):
    """A step did not do what it should."""


class Image:
    """The image in the making: a folder per stage with `base`, else one for all."""

    def __init__(self, folder: Path, base: Path | None) -> None:
        self.folder, self.base = folder, base
        self.root = folder
        self.names: dict[str, Path] = {}
        self.cwd, self.user = "/", "0"
        self.env: dict[str, str] = {}
        if not base:  # the base image's name for it
            python = folder / "base/python"
            python.parent.mkdir()
            python.symlink_to(_python())

    def path(self, inside: str) -> Path:
        return self.root / inside.lstrip("/")

    def text(self, command: str) -> str:
        """Return the command with the image's paths turned into this machine's."""
        if self.base:
            return command
        ours = rf"(?<![\w/.-])(?:{'|'.join(OURS)})(?![\w-])"
        return re.sub(ours, lambda match: str(self.path(match[0])), command)

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        own = {name: self.text(value) for name, value in (self.env | more).items()}
        # How this machine's pip finds its packages is no part of the image.
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        return {"PIP_QUIET": "1"} | pip | own

    def popen(self, command: list[str], **more: str) -> subprocess.Popen[bytes]:
        """Start a command of the image as its user."""
        words = [self.text(word) for word in command]
        if self.base:
            return subprocess.Popen(
                ["chroot", f"--userspec={self.user}", str(self.root), "/usr/bin/env", f"--chdir={self.cwd}", *words],
                env=self.environment(more),
            )
        as_nobody = (
            {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 and self.user != "0" else {}
        )
        return subprocess.Popen(words, cwd=self.path(self.cwd), env=self.environment(more), **as_nobody)

    def run(self, command: list[str], **more: str) -> int:
        return self.popen(command, **more).wait()

    def do(self, step: Instruction) -> str:
        """Carry out one instruction; return "" or why it was left out."""
        match step.keyword:
            case "FROM":
                self._from(step)
            case "ENV":
                self.env |= {name: value.replace("$PATH", self.env["PATH"]) for name, value in step.pairs.items()}
            case "WORKDIR":
                self.cwd = step.text
                self.path(self.cwd).mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(step)
            case "USER":
                self.user = step.text
            case "RUN":
                return self._run(step)
        return ""

    def _from(self, step: Instruction) -> None:
        path = SYSTEM_PATH if self.base else f"{self.folder}/base:{SYSTEM_PATH}"
        self.cwd, self.user, self.env = "/", "0", {"PATH": path, "HOME": "/tmp"}
        name = step.words[-1] if "AS" in step.words else f"stage{step.stage}"
        if self.base:
            self.root = self.folder / name
            subprocess.run(["cp", "-a", str(self.base), str(self.root)], check=True)
        self.names[name] = self.root

    def _copy(self, step: Instruction) -> None:
        *sources, target = [word for word in step.words if not word.startswith("--")]
        origin = next(
            (self.names[word.removeprefix("--from=")] for word in step.words if word.startswith("--from=")), None
        )
        into = self.path(target if target.startswith("/") else f"{self.cwd}/{target}")
        for source in sources:
            found = (ROOT if origin is None else origin) / source.lstrip("/")
            if found == into:
                continue  # one folder stands for all stages
            place = into / found.name if target.endswith("/") and found.is_file() else into
            place.parent.mkdir(parents=True, exist_ok=True)
            if found.is_dir():
                shutil.copytree(
                    found, place, symlinks=True, dirs_exist_ok=True, ignore=_ignored if origin is None else None
                )
            else:
                shutil.copy2(found, place)

    def _run(self, step: Instruction) -> str:
        if not self.base and any(word in step.text for word in SYSTEM):
            return "left out: it needs a system of its own"
        if self.run(["/bin/sh", "-c", step.text]) != 0:
            raise Failed(f"This step failed:\n{step.text}")
        return ""


def _python() -> str:
    """Return a Python that also a user without rights can start: root's own may be in root's home."""
    for found in (sys._base_executable, shutil.which("python3", path=SYSTEM_PATH)):  # type: ignore[attr-defined]
        if found and (os.getuid() != 0 or all(each.stat().st_mode & 1 for each in Path(found).resolve().parents)):
            return found
    raise Failed("There is no Python that somebody else than root may start.")


def _ignored(folder: str, names: list[str]) -> set[str]:
    """Return the files that .dockerignore excludes from the included folders."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.removeprefix("**/") for line in lines if line.startswith("**/")]
    return {name for name in names for pattern in patterns if fnmatch.fnmatch(name, pattern)}


def build(image: Image) -> None:
    for step in instructions():
        begun = time.monotonic()
        why = image.do(step)
        if step.keyword in {"RUN", "COPY"}:
            told = f"{time.monotonic() - begun:6.1f} s  {step.keyword} {step.text[:70]}"
            print(f"{told}  ({why})" if why else told, flush=True)  # noqa: T201


def prove(image: Image) -> None:
    """Start what was made, as an orchestrator would, and end it."""
    _seal(image)
    before = _files(image.path("/app"))
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    # Listen on this machine only; in a container gunicorn listens on its network.
    own = PRODUCTION | {"PORT": port, "GUNICORN_CMD_ARGS": f"--bind=127.0.0.1:{port}"}
    _expect(image.run(["python", "manage.py", "migrate", "--noinput", "--verbosity", "0"], **own) == 0, "migrate")
    _expect(image.run(["python", "manage.py", "check", "--deploy", "--fail-level", "WARNING"], **own) == 0, "check")
    _expect(
        image.run(["python", "-c", CONNECTS], **own) == 0, "the ODBC driver loads, and a closed port is a network error"
    )
    found = instructions()
    health = last("HEALTHCHECK", found).text.partition("CMD ")[2]
    check = Instruction(0, "CMD", health).words
    _expect(image.run(check, **own) == 1, "the health check fails while nothing runs")
    begun = time.monotonic()
    web, collector = (
        image.popen(last("CMD", found).words, **own),
        image.popen(["python", "manage.py", "collect"], **own),
    )
    try:
        while image.run(check, **own) != 0:
            if web.poll() is not None or time.monotonic() - begun > STARTS_IN:
                raise Failed("The web server did not become healthy.")
            time.sleep(0.3)
        _say(f"healthy {time.monotonic() - begun:.1f} s after the start")
        time.sleep(3)
        _expect(collector.poll() is None, "the collector goes on without a SQL Server")
        for name, process in {"web server": web, "collector": collector}.items():
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_IN)
            _expect(process.poll() == 0, f"SIGTERM ends the {name} in order ({time.monotonic() - begun:.1f} s)")
    finally:
        for process in (web, collector):
            if process.poll() is None:
                process.kill()
    _expect(_files(image.path("/app")) == before, "nothing was written beside the code")
    _expect(any(name.endswith("staticfiles/staticfiles.json") for name in before), "static files are collected")
    _expect(not [name for name in before if "secret-key" in name or name.endswith(".env")], "no key is in the image")


def _seal(image: Image) -> None:
    """Make the code read-only and the data folder the user's own."""
    data = image.path("/data")
    data.mkdir(exist_ok=True)
    if image.base:
        image.path("/dev/shm").chmod(0o1777)  # debootstrap makes it root's; an engine mounts one for all
    else:
        image.user = str(NOBODY)
        for path in (image.folder, data):
            path.chmod(0o755 if path is image.folder else 0o700)
        subprocess.run(["chmod", "-R", "a-w,a+rX", str(image.path("/app")), str(image.path("/opt"))], check=True)
        if os.getuid() == 0:
            os.chown(data, NOBODY, NOBODY)


def _files(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def _expect(held: bool, what: str) -> None:
    if not held:
        raise Failed(f"It did not hold that {what}.")
    _say(what)


def _say(what: str) -> None:
    print(f"      ok  {what}", flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, help="root folder of a Debian 12 with Python, to run everything in")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="etlportal-image-") as folder:
        image = Image(Path(folder), options.base)
        begun = time.monotonic()
        build(image)
        prove(image)
        print(f"{time.monotonic() - begun:6.1f} s  all", flush=True)  # noqa: T201
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)


if __name__ == "__main__":
    sys.exit(main())
