"""sqlmap against the running demo: `make sqlmap`. A finding, or a target that did not end, fails.

Every parameter of every address that takes some, and every form (sqlmap_targets.py), each as the roles that may open
it. sqlmap is put in an environment of its own (its licence is not the portal's); the demo is a fresh one, on
loopback, without guesses being counted (attacked.py). First sqlmap must find the holes of a server that has some
(injectable.py).

The techniques need no clock: boolean-based, error-based, UNION and inline queries, at level 1 and risk 1, about 35
payloads to a parameter; to a text that is searched for, those that leave a LIKE '%...%', too. Left out: the payloads
of MySQL, Oracle, H2 and CUBRID, none of which is behind the portal; time-based and stacked queries, which sqlmap
tells by the clock (SQLite, which is what answers here, runs one statement at a time); and sqlmap's guess beforehand,
which takes SQL Server's messages that pages show as data for errors of its own making.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
import venv
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zlib import crc32

from tests.support import injectable
from tests.support.attacked import CSRF, ROOT, Visitor, running, visitors_of
from tests.support.sqlmap_targets import Target, named, targets

FOLDER = ROOT / "var" / "sqlmap"
SECONDS = 1800
"""Nothing takes nearly as long: a target that does is told as not ended."""
FILE_TRIES, FILE_SECONDS = 16, 20
OPTIONS = (
    *("--batch", "--disable-coloring", "--level=1", "--risk=1", "--technique=BEUQ", "--threads=1", "--flush-session"),
    *("--skip-waf", "--skip-heuristics", "--test-skip=MySQL|Oracle|H2|CUBRID"),
    *("--ignore-code=*", "--ignore-redirects", "--timeout=60", "--retries=1", "-v", "3"),
)
WITHIN_LIKE = ("--prefix=%'", "--suffix=-- x")
NOTHING = "all tested parameters do not appear to be injectable"
FOUND = ("is vulnerable", "identified the following injection point")
PAYLOAD = "[PAYLOAD]"


def attack(target: Target, url: str, visitor: Visitor, program: Path) -> tuple[str, int]:
    """Send sqlmap to the target; return what came of it (`outcome_of`), and how many payloads were sent."""
    folder = FOLDER / f"{re.sub(r'[^a-z]+', '-', target.name.lower())[:100]}-{crc32(target.name.encode()):08x}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    address = f"{url}/{target.path}"
    data = []
    if target.post:
        data = ["--data", f"{target.fields}&{CSRF}={visitor.token()}"]
    query = f"?{target.fields}" if target.fields and not target.post else ""
    command = [str(program), *OPTIONS, *data, f"--output-dir={folder}", "-u", f"{address}{query}"]
    if visitor.cookies:
        command += ["--cookie", visitor.cookies]
    if "*" not in target.path:
        command += ["-p", ",".join(target.searched if target.within_like else target.names)]
    if target.within_like:
        command += WITHIN_LIKE
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False
        )
        said = done.stdout + done.stderr
    except subprocess.TimeoutExpired as error:
        said = f"{error.stdout!r} stopped after {SECONDS} s"
    (folder / "said.txt").write_text(said, encoding="utf-8")
    outcome = outcome_of(said)
    if outcome == "nothing" and not visitor.reaches(target):
        outcome = "REFUSED"
    return outcome, said.count(PAYLOAD)


def outcome_of(said: str) -> str:
    """Return what sqlmap's words come to; only "nothing" is good. BROKE: an answer of 5xx."""
    if any(word in said for word in FOUND):
        return "FOUND"
    codes = {int(code) for code in re.findall(r"\b(\d{3}) \([^)]*\) - \d+ times", said)}
    if any(code >= 500 for code in codes):
        return "BROKE"
    return "nothing" if NOTHING in said else "NOT ENDED"


def prove(program: Path) -> list[str]:
    """Return what sqlmap does not find, or finds where there is nothing, with the options that the portal gets."""
    wrong = []
    with injectable.serving() as url:
        visitor = Visitor(url)
        for path, fields, post, within_like in (
            ("text", "q=dim_cliente", False, False),
            ("number", "q=1", False, False),
            ("search", "q=dim", False, True),
            ("form", "q=dim_cliente", True, False),
            ("safe", "q=dim_cliente", False, False),
        ):
            target = Target("", path, fields, post=post, within_like=within_like)
            outcome, payloads = attack(target, url, visitor, program)
            say(f"{outcome:9} {payloads:5} payloads  {target.name} (a server with holes)")
            if outcome != ("nothing" if path == "safe" else "FOUND"):
                wrong.append(target.name)
    return wrong


def install(folder: Path) -> Path:
    """Return sqlmap's program, from an environment of its own."""
    program = folder / "bin" / "sqlmap"
    if not program.is_file():
        venv.create(folder, with_pip=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", "sqlmap"], check=True)
    return program


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def ended_before(log: Path) -> set[str]:
    """Return the targets that ended well in an earlier run."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return {line.split("\t")[4] for line in lines if line.startswith("nothing\t")}


def carry_out(
    queues: list[deque[Target]], visitors: dict[str, Visitor], url: str, program: Path, log: Path
) -> list[str]:
    """Attack one after the other until nothing is left; return those that did not end without a finding."""
    bad = []
    while target := next((queue.popleft() for queue in queues if queue), None):
        visitor, began = visitors[target.role], time.monotonic()
        outcome, payloads = "NOT OPEN", 0
        if visitor.reaches(target) or (target.is_file and in_time(visitor, target)):
            outcome, payloads = attack(target, url, visitor, program)
        seconds = round(time.monotonic() - began)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{outcome}\t{target.parameters}\t{payloads}\t{seconds}\t{target.name}\n")
        say(f"{outcome:9} {seconds:5} s  {target.parameters:2} parameters  {payloads:5} payloads  {target.name}")
        if outcome != "nothing":
            bad.append(target.name)
    return bad


def in_time(visitor: Visitor, target: Target) -> bool:
    """Return whether a file can be had after all: the place of one that was broken off is free after minutes."""
    for _again in range(FILE_TRIES):
        time.sleep(FILE_SECONDS)
        if visitor.reaches(target):
            return True
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=FOLDER / "venv", help="where sqlmap is, or is put")
    parser.add_argument("--role", action="append", help="these only")
    parser.add_argument("--only", default="", help="targets with this text in their names only")
    parser.add_argument("--once", action="store_true", help="each address as the first role that may open it only")
    parser.add_argument("--go-on", action="store_true", help="without what ended in the run before")
    parser.add_argument("--at-once", type=int, default=2, help="processes of sqlmap; one of them takes the files")
    parser.add_argument("--prove", action="store_true", help="only show that sqlmap finds holes where there are some")
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    program = install(arguments.venv)
    if missed := prove(program):
        say(f"sqlmap is of no use here: {', '.join(missed)}")
        return 1
    if arguments.prove:
        return 0
    log = FOLDER / "results.tsv"
    done = ended_before(log) if arguments.go_on else set()
    if not arguments.go_on:
        log.unlink(missing_ok=True)
    with running() as portal:
        visitors = visitors_of(portal)
        wanted = [
            target
            for target in targets(named(visitors["admin"], portal.names), visitors, once=arguments.once)
            if (arguments.role is None or target.role in arguments.role)
            and arguments.only in target.name
            and target.name not in done
        ]
        say(f"{len(wanted)} targets, {sum(each.parameters for each in wanted)} parameters")
        # A person has one file at a time, a second one is told to wait: one process takes them all, then helps.
        files, others = (deque(each for each in wanted if each.is_file is file) for file in (True, False))
        queues = [[files, others], *([others] for _ in range(arguments.at_once - 1))]
        with ThreadPoolExecutor(len(queues)) as pool:
            parts = list(pool.map(lambda each: carry_out(each, visitors, portal.url, program, log), queues))
    bad = [name for part in parts for name in part]
    say(f"{len(wanted) - len(bad)} of {len(wanted)} targets ended without a finding; what was said is in {FOLDER}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
