"""sqlmap against the running demo: `make sqlmap`. A finding, or a target that did not end, fails.

Every parameter of every address that takes some, and every form, each as the roles that may open it. sqlmap is put
in an environment of its own (its licence is not the portal's); the demo is a fresh one, on loopback, and so paced that
its figures stand still. Of sqlmap's techniques those that need no clock: boolean and error-based, at level and risk 1.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

from tests.support.demo import ROOT, Demo

FOLDER = ROOT / "var" / "sqlmap"
SESSION, CSRF, PASSWORD = "etlportal_session", "csrfmiddlewaretoken", "demo"
ROLES = ("admin", "auditor", "viewer")
SECONDS = 900
"""Nothing takes nearly as long: a target that does is told as not ended."""
OPTIONS = (
    *("--batch", "--disable-coloring", "--level=1", "--risk=1", "--technique=BE", "--threads=1", "--flush-session"),
    *("--ignore-code=*", "--ignore-redirects", "--timeout=60", "--retries=1"),
)
NOTHING = "all tested parameters do not appear to be injectable"
FOUND = ("is vulnerable", "identified the following injection point")

WINDOW = "window=6h&from=2026-01-01T00:00&to=2026-01-02T00:00"
EVENTS = (
    f"{WINDOW}&login_name=a&host_name=a&program_name=a&database_name=a&status=a&encrypt_option=TRUE&auth_scheme=a"
    "&client_net_address=a&after=5&before=9"
)
GROUPS = "q=a&kind=unique&pipeline=dim_cliente&state=new&unresolved=on&sort=runs"
RUNS = "run=5&status=failed&by=a&pipeline=dim_cliente&period=7d&after=5&before=9&sort=run"
KEYED = "q=5&o=1&p=1&e=1&window=7d&older=900&newer=5&since=2026-01-01&until=2026-12-31&on=2026-11-01&clock=12:00&run=5"
PIPELINES = "q=a&status=ok&show=active&sort=name"
EXECUTIONS = "window=7d&status=failed&x-status=failed&x-after=5&x-before=9&sort=at"
ADDRESSES = {
    "blocks/summary-matrix/": PIPELINES,
    "blocks/summary-failures/": "f-q=a&f-kind=unique&f-sort=at",
    "summary/pipelines.csv": PIPELINES,
    "summary/failures.csv": "f-q=a&f-kind=unique&f-sort=at",
    "blocks/pipelines-list/": PIPELINES,
    "pipelines/find": "name=dim_cliente",
    "pipelines/health.csv": PIPELINES,
    "pipelines/{pipeline}*/blocks/pipeline-head/": "",
    "pipelines/{pipeline}/blocks/pipeline-executions/": EXECUTIONS,
    "pipelines/{pipeline}/blocks/pipeline-trends/": "window=7d",
    "pipelines/{pipeline}/blocks/pipeline-sample/": "rows=1",
    "pipelines/{pipeline}/executions.csv": EXECUTIONS,
    "blocks/runs-list/": RUNS,
    "blocks/runs-control/": f"c-q=a&c-sort=name&{PIPELINES}",
    "runs/runs.csv": RUNS,
    "runs/control.csv": f"c-q=a&c-sort=name&{PIPELINES}",
    "runs/{run}*/blocks/run-facts/": "",
    "runs/{run}/blocks/run-entities/": "status=failed&sort=name",
    "runs/{run}/executions.csv": "status=failed&sort=name",
    "runs/failures/blocks/failure-groups/": GROUPS,
    "runs/failures/groups.csv": GROUPS,
    "runs/failures/{failure}*/blocks/failure-group-facts/": "",
    "runs/failures/{failure}/blocks/failure-group-executions/": "after=5&before=9",
    "runs/failures/{failure}/executions.csv": "after=5&before=9",
    "blocks/connections-activity/": WINDOW,
    "blocks/connections-facets/": f"{WINDOW}&facet=login_name",
    "blocks/connections-findings/": WINDOW,
    "blocks/connections-extraction/": WINDOW,
    "blocks/connections-factors/": WINDOW,
    "blocks/connections-runs/": WINDOW,
    "blocks/connections-events/": EVENTS,
    "connections/values.csv": f"{WINDOW}&facet=login_name",
    "connections/events.csv": EVENTS,
    "preferences/": "lang=en&next=/",
    "admin/monitoring/etlcontrol/": "q=a&o=1&p=1&e=1&active=1&all=1",
    "admin/monitoring/etlrun/": f"{KEYED}&status=failed",
    "admin/monitoring/etlrunentity/": f"{KEYED}&status=failed&pipeline=dim_cliente",
    "admin/monitoring/connectionloginevent/": f"{KEYED}&session_status=running&encrypted=TRUE",
    "admin/monitoring/etlrun/export.csv": f"{KEYED}&status=failed",
    "admin/monitoring/etlrunentity/export.csv": f"{KEYED}&status=failed&pipeline=dim_cliente",
    "admin/monitoring/connectionloginevent/export.csv": f"{KEYED}&session_status=running&encrypted=TRUE",
    "admin/monitoring/etlrun/{run}*/change/": "",
    "admin/monitoring/etlrunentity/{run}*/change/": "_changelist_filters=q=a",
    "admin/monitoring/trailentry/": f"{KEYED}&action=sign_in&outcome=done",
    "admin/monitoring/trailentry/export.csv": f"{KEYED}&action=sign_in&outcome=done",
    "admin/monitoring/pipelinesample/": f"{KEYED}&pipeline=dim_cliente",
    "admin/monitoring/runcopy/": KEYED,
    "admin/monitoring/runentitycopy/": KEYED,
    "admin/monitoring/pipelinesettings/": "q=a&o=1&p=1&e=1&all=1",
    "admin/monitoring/groupscope/": "q=a&o=1&p=1&e=1&all=1",
    "admin/auth/user/": "q=a&o=1&p=1&e=1&all=1&is_staff__exact=1&is_active__exact=1&groups__id__exact=1",
    "admin/auth/group/": "q=a&o=1&p=1&e=1&all=1",
    "admin/login/": "next=/admin/",
}
"""The parameters of each address that takes some; `*` marks a part of the address itself. A page is attacked through
its blocks: each has an address of its own that takes the page's parameters."""

FORMS = {
    "preferences/": "language=en&time_zone=UTC&theme=dark&refresh_seconds=10&auto_refresh=on",
    "preferences/set/": "theme=dark&language=en&next=/",
    "account/sessions/": "session=1",
    "account/password/change/": "oldpassword=a&password1=b&password2=b",
    "account/reauthenticate/": "password=a&next=/",
    "connections/capture/": "next=/connections/",
    "pipelines/{pipeline}/sample/unmask/": "next=/",
    "pipelines/{pipeline}/checks/run/": "next=/",
    "runs/failures/{failure}/unmask/": "next=/",
    "admin/monitoring/pipelinesettings/add/": "entity_name=dim_cliente&owner=a&late_warning_minutes=5&muted_until_0=a",
    "admin/monitoring/groupscope/add/": "group=1&patterns=a&pipelines=a",
    "admin/monitoring/grouppolicy/add/": "group=1&second_factor=on",
    "admin/auth/user/add/": "username=a&password1=b&password2=b&usable_password=true",
    "admin/auth/group/add/": "name=a&permissions=1",
}
SIGN_IN = "login=viewer&password=a&next=/&remember=on"
PAGES_OF_FORMS = {"preferences/set/": "preferences/"}


@dataclass(frozen=True, slots=True)
class Target:
    """What one process of sqlmap is sent to."""

    role: str
    path: str
    fields: str
    post: bool = False

    @property
    def name(self) -> str:
        return f"{'POST' if self.post else 'GET'} /{self.path} as {self.role or 'nobody'}"

    @property
    def parameters(self) -> int:
        return len([pair for pair in self.fields.split("&") if pair]) + self.path.count("*")


class Visitor:
    """Somebody's browser: signs in as a person does."""

    def __init__(self, url: str, role: str) -> None:
        self.url, self.jar = url, CookieJar()
        self.opener: OpenerDirector = build_opener(HTTPCookieProcessor(self.jar))
        if role:
            token = self.token("account/login/")
            self.ask("account/login/", {"login": role, "password": PASSWORD, CSRF: token})
            if SESSION not in self.cookies:
                raise SystemExit(f"{role} could not sign in")

    def ask(self, path: str, fields: dict[str, str] | None = None) -> str:
        """Return the answer's text; "" when it is an error."""
        try:
            with self._open(path, fields) as answer:
                return str(answer.read().decode(errors="replace"))
        except HTTPError:
            return ""

    def status(self, path: str) -> int:
        """Return how the address answers, without reading on: it may be a long file."""
        try:
            with self._open(path) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code

    def _open(self, path: str, fields: dict[str, str] | None = None) -> Any:
        request = Request(f"{self.url}/{path}", urlencode(fields).encode() if fields else None)
        return self.opener.open(request, timeout=60)

    def token(self, path: str) -> str:
        found = re.search(rf'name="{CSRF}" value="([^"]+)"', self.ask(path))
        return found[1] if found else ""

    @property
    def cookies(self) -> str:
        return "; ".join(f"{each.name}={each.value}" for each in self.jar)


def targets(visitors: dict[str, Visitor], roles: list[str], only: str) -> list[Target]:
    """Return every target that there is, for each of the roles that may open it; with `only` in its name."""
    page = visitors["admin"].ask("runs/failures/")
    names = {"pipeline": "dim_cliente", "run": "100"}
    names["failure"] = next(iter(re.findall(r"/runs/failures/([0-9a-f]{8,})/", page)))
    made = [Target("", "account/login/", SIGN_IN, post=True), Target("", "account/login/", "next=/")]
    for role in ROLES:
        made += [Target(role, path.format(**names), fields) for path, fields in ADDRESSES.items()]
        made += [Target(role, path.format(**names), fields, post=True) for path, fields in FORMS.items()]
    wanted = [target for target in made if target.role in roles and only in target.name]
    return [target for target in wanted if may_open(visitors[target.role], target)]


def may_open(visitor: Visitor, target: Target) -> bool:
    status = visitor.status(target.path.replace("*", ""))
    # What takes a form only says so (405) to whoever may send one.
    return status in (200, 405) if target.post else status < 400


def attack(target: Target, url: str, visitor: Visitor, program: Path) -> tuple[Target, str, float]:
    """Send sqlmap to the target; return what came of it (`outcome_of`) and its seconds."""
    began = time.monotonic()
    folder = FOLDER / re.sub(r"\W+", "-", target.name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    address = f"{url}/{target.path}"
    data = []
    if target.post:
        page = PAGES_OF_FORMS.get(target.path, target.path)
        token = visitor.token(page) or visitor.token("preferences/")
        data = ["--data", f"{target.fields}&{CSRF}={token}"]
    command = [str(program), *OPTIONS, *data, f"--output-dir={folder}", "--cookie", visitor.cookies]
    names = [pair.split("=")[0] for pair in target.fields.split("&") if pair]
    query = f"?{target.fields}" if target.fields and not target.post else ""
    command += ["-u", f"{address}{query}"]
    if names and "*" not in target.path:
        command += ["-p", ",".join(names)]
    if not target.role:  # else the limit on guesses would answer, and nothing behind it
        command += ["--tamper=xforwardedfor"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False
        )
        said = done.stdout + done.stderr
    except subprocess.TimeoutExpired as error:
        said = f"{error.stdout!r} stopped after {SECONDS} s"
    (folder / "said.txt").write_text(said, encoding="utf-8")
    return target, outcome_of(said), time.monotonic() - began


def outcome_of(said: str) -> str:
    """Return what sqlmap's words come to; only "nothing" is good. REFUSED: by a permission, a limit."""
    if any(word in said for word in FOUND):
        return "FOUND"
    codes = {int(code) for code in re.findall(r"^(\d{3}) \([^)]*\) - \d+ times", said, re.MULTILINE)}
    if any(code >= 500 for code in codes):
        return "BROKE"
    if codes & {401, 403, 429}:
        return "REFUSED"
    return "nothing" if NOTHING in said else "NOT ENDED"


def install(folder: Path) -> Path:
    """Return sqlmap's program, from an environment of its own."""
    program = folder / "bin" / "sqlmap"
    if not program.is_file():
        venv.create(folder, with_pip=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", "sqlmap"], check=True)
    return program


@contextmanager
def running(url: str) -> Iterator[str]:
    """Give the address of the demo to attack: the one at `url`, else one of its own that ends afterwards."""
    if url:
        yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="etlportal-sqlmap-"))
    # Behind a proxy, so that guesses at the sign-in can come from many addresses; few runs, so that pages stand still.
    demo = Demo(folder, "--pace=0.1", PORTAL_BEHIND_PROXY="yes")
    try:
        yield demo.url
    finally:
        demo.stop()
        shutil.rmtree(folder, ignore_errors=True)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=FOLDER / "venv", help="where sqlmap is, or is put")
    parser.add_argument("--role", action="append", choices=("", *ROLES), help="these only")
    parser.add_argument("--only", default="", help="targets with this text in their names only")
    parser.add_argument("--url", default="", help="a demo that runs already, with PORTAL_BEHIND_PROXY=yes")
    parser.add_argument("--at-once", type=int, default=1)
    arguments = parser.parse_args()
    program = install(arguments.venv)
    with running(arguments.url) as url:
        visitors = {role: Visitor(url, role) for role in ("", *ROLES)}
        wanted = targets(visitors, arguments.role or ["", *ROLES], arguments.only)
        say(f"{len(wanted)} targets, {sum(each.parameters for each in wanted)} parameters")
        with ThreadPoolExecutor(arguments.at_once) as pool:
            results = []
            for result in pool.map(lambda each: attack(each, url, visitors[each.role], program), wanted):
                results.append(result)
                target, outcome, seconds = result
                say(f"{outcome:9} {seconds:5.0f} s  {target.parameters:2}  {target.name}")
    bad = [target.name for target, outcome, _seconds in results if outcome != "nothing"]
    say(f"{len(results) - len(bad)} of {len(results)} targets ended without a finding; what was said is in {FOLDER}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
