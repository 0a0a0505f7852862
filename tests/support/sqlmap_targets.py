"""What sqlmap is sent to: the parameters of every address that takes some, and the fields of every form.

tests/integration/test_sqlmap_targets.py holds ADDRESSES to the names that the code asks for, and FORMS to the
addresses that take one: a new parameter or form without a line here fails. `*` marks a part of the address itself.

Values are of rows that are there (`{login}` and so on are filled in from the demo), so that a condition which sqlmap
adds would change the answer; several queries where one parameter would hide another. A number of nines sqlmap
refuses to begin with: it takes it for one of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import quote

from tests.support.sqlmap_forms import FORMS, GUARDED, HALFWAY, NOBODY, OTHERS_FORMS, ROLES

FREE = "from={since}&to={until}"
FACETS = "login_name={login}&host_name={host}&program_name={program}&database_name={database}&status={session_status}"
FACETS += "&encrypt_option={encrypted}&auth_scheme={auth}&client_net_address={address}&session_id={session}"
GROUPS = "q=e&kind=lock_timeout&unresolved=on&sort=runs", "pipeline={pipeline}&state=recurring"
RUNS = "run={run}&status=success&by={by}&pipeline={pipeline}&period=30d&sort=run"
MATRIX = "q=dim&status=ok&show=active&sort=name"
FAILURES = "f-q=e&f-kind=lock_timeout&f-sort=at"
EXECUTIONS = "x-status=failed&x-sort=at"

WHOLE = "q={q}&p=1&o=1&all=1&_popup=1&_to_field={key}"
KEYED = "older=88888888&since={since}&until={until}&p=1&o=1&q={q}&_facets=True"
PLACED = "on={today}&clock=23:00&window=24h&newer=1&run={run}&all=1&_popup=1&_to_field={key}"
FORM = "_changelist_filters=q%3Da&_popup=1&_to_field={key}"
HISTORY = "_changelist_filters=q%3Da&p=1"
TABLES = {
    "etlrun": ("run_id", "{run}", "status=success"),
    "etlrunentity": ("run_entity_id", "{entity_key}", "status=success&pipeline={pipeline}"),
    "connectionloginevent": (
        *("connection_event_id", "{event}", "session_status={session_status}&encrypted={encrypted}"),
    ),
    "trailentry": ("id", "1", "action=sign_in&outcome=done"),
    "pipelinesample": ("id", "1", "pipeline={pipeline}"),
    "pipelinehour": ("id", "1", "pipeline={pipeline}"),
    "pipelineday": ("id", "1", "pipeline={pipeline}"),
    "pipelinerunday": ("id", "1", "pipeline={pipeline}"),
    "runcopy": ("run_id", "{run}", "status=success"),
    "runentitycopy": ("run_entity_id", "{entity_key}", "status=success&pipeline={pipeline}"),
}
"""Lists whose pages are ranges of a key: the key's name, a row's, and the list's filters."""
OWN = {
    "auth/group": ("id", "{group}", ""),
    "auth/user": (
        "id",
        "{user}",
        "is_staff__exact=0&is_superuser__exact=0&is_active__exact=1&groups__id__exact={group}&is_staff__isnull=False&is_superuser__isnull=False&is_active__isnull=False&groups__isnull=False",
    ),
    "monitoring/portalsettings": ("id", "1", ""),
    "monitoring/grouppolicy": ("id", "{policy}", ""),
    "monitoring/groupscope": ("id", "{limit}", ""),
    "monitoring/pipelinesettings": ("entity_name", "{pipeline}", ""),
    "monitoring/userpreferences": ("id", "{preferences}", ""),
}
"""Tables that are changed here."""


def _lists() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The admin's lists, their files and their rows."""
    for table, (key, row, filters) in TABLES.items():
        path, queries = f"admin/monitoring/{table}", (f"{filters}&{KEYED}", PLACED)
        queries = tuple(query.replace("{q}", "").replace("{key}", key) for query in queries)
        yield f"{path}/", queries
        yield f"{path}/export.csv", (queries[0], f"{queries[1]}&_changelist_filters=q%3Da")
        yield f"{path}/{row}/change/", (FORM.replace("{key}", key),)
        yield f"{path}/{row}*/row.json", ("",)
    for table, key, row, more in (
        ("etlcontrol", "entity_name", "{pipeline}", "&active=1"),
        ("collectorstate", "id", "1", ""),
    ):
        path, query = f"admin/monitoring/{table}", WHOLE.replace("{q}", "").replace("{key}", key) + more
        yield f"{path}/", (query,)
        yield f"{path}/export.csv", (f"{query}&_changelist_filters=q%3Da",)
        yield f"{path}/{row}/change/", (FORM.replace("{key}", key),)
        yield f"{path}/{row}*/row.json", ("",)
    for table, (key, row, filters) in OWN.items():
        query = f"{WHOLE}&_facets=True".replace("{q}", "").replace("{key}", key)
        yield f"admin/{table}/", (f"{query}&{filters}" if filters else query,)
        yield f"admin/{table}/{row}/change/", (FORM.replace("{key}", key),)
        yield f"admin/{table}/{row}/history/", (HISTORY,)
        if "portalsettings" not in table:
            yield f"admin/{table}/add/", (FORM.replace("{key}", key),)
            yield f"admin/{table}/{row}/delete/", (FORM.replace("{key}", key),)


ADDRESSES: dict[str, tuple[str, ...]] = {
    "blocks/summary-kpis/": ("trend=7d",),
    "blocks/summary-matrix/": (MATRIX,),
    "blocks/summary-failures/": (FAILURES,),
    "summary/pipelines.csv": (MATRIX,),
    "summary/failures.csv": (FAILURES,),
    "blocks/pipelines-list/": (MATRIX,),
    "pipelines/find": ("name={pipeline}",),
    "pipelines/health.csv": (MATRIX,),
    "pipelines/{pipeline}*/blocks/pipeline-head/": ("",),
    "pipelines/{pipeline}/blocks/pipeline-executions/": (f"{EXECUTIONS}&x-before=88888888", "x-after=5"),
    "pipelines/{pipeline}/blocks/pipeline-trends/": ("window=7d",),
    "pipelines/{pipeline}/blocks/pipeline-sample/": ("rows=1",),
    "pipelines/{pipeline}/executions.csv": (EXECUTIONS,),
    "pipelines/{pipeline}/trends.csv": ("window=7d",),
    "blocks/runs-list/": (f"{RUNS}&before=88888888", "after=5"),
    "blocks/runs-control/": ("control-sort=name",),
    "runs/runs.csv": (RUNS,),
    "runs/control.csv": ("control-sort=name",),
    "runs/{run}*/blocks/run-facts/": ("",),
    "runs/{run}/blocks/run-entities/": ("sort=name",),
    "runs/{run}/executions.csv": ("sort=name",),
    "runs/failures/blocks/failure-groups/": GROUPS,
    "runs/failures/groups.csv": GROUPS,
    "runs/failures/{failure}*/blocks/failure-group-facts/": ("",),
    "runs/failures/{failure}/blocks/failure-group-executions/": ("after=5", "before=88888888"),
    "blocks/connections-activity/": (f"{FREE}&facet=login_name&{FACETS}", "window=6h"),
    "blocks/connections-facets/": (f"{FREE}&facet=login_name&facet-sort=events&{FACETS}", "window=6h"),
    "blocks/connections-findings/": (f"{FREE}&findings-sort=events", "window=6h"),
    "blocks/connections-extraction/": (f"{FREE}&extraction-sort=events", "window=6h"),
    "blocks/connections-factors/": (f"{FREE}&factors-sort=lift", "window=6h"),
    "blocks/connections-runs/": (FREE, "window=6h"),
    "blocks/connections-events/": (f"{FREE}&facet=login_name&{FACETS}&before=88888888", "after=5", "window=6h"),
    "connections/values.csv": (f"{FREE}&facet=login_name&facet-sort=events", "window=6h"),
    "connections/events.csv": (f"{FREE}&{FACETS}", "window=6h"),
    "connections/extraction.csv": (f"{FREE}&extraction-sort=events", "window=6h"),
    "connections/findings.csv": (f"{FREE}&findings-sort=events", "window=6h"),
    "connections/factors.csv": (f"{FREE}&factors-sort=lift", "window=6h"),
    "admin/auth/user/{user}/password/": ("_popup=1",),
    "admin/autocomplete/": ("term=a&app_label=monitoring&model_name=groupscope&field_name=group",),
    "admin/{app}*/": ("",),
    # Each shows its blocks, whose own addresses are above.
    "": (f"{MATRIX}&{FAILURES}&trend=7d",),
    "pipelines/": (MATRIX,),
    "pipelines/{pipeline}/": (f"window=7d&rows=1&{EXECUTIONS}&x-before=88888888", "x-after=5"),
    "runs/": (f"{RUNS}&control-sort=name&before=88888888", "after=5"),
    "runs/{run}/": ("sort=name",),
    "runs/failures/": GROUPS,
    "runs/failures/{failure}/": ("after=5", "before=88888888"),
    "connections/": (
        f"{FREE}&facet=login_name&facet-sort=events&extraction-sort=events&findings-sort=events&factors-sort=lift"
        f"&{FACETS}&before=88888888",
        "window=24h&after=5",
    ),
    **dict.fromkeys(("account/inactive/", "account/reauthenticate/"), ("next=/runs/",)),
    **dict.fromkeys(("account/password/change/", "account/oidc/cancelled/"), ("next=/runs/",)),
    **dict(_lists()),
}
"""Each as every role that may open it; the strongest first."""

OTHERS_ADDRESSES: dict[str, dict[str, tuple[str, ...]]] = {
    NOBODY: {
        **dict.fromkeys(("account/login/", "account/signup/", "account/passkey/", "admin/login/"), ("next=/runs/",)),
        "account/logout/": ("next=/runs/",),
        "account/password/reset/": ("next=/runs/",),
        "account/password/reset/key/{uid}-{token}*/": ("",),
    },
    GUARDED: dict.fromkeys(("account/second-factor/again/", "account/security/keys/again/"), ("next=/runs/",)),
    HALFWAY: {"account/second-factor/": ("next=/runs/",)},
}

SEARCHED_FOR = frozenset({"q", "f-q", "term", "name", "by"})
"""Parameters whose text is looked for inside others."""


class Opens(Protocol):
    def reaches(self, target: Target) -> bool: ...


class Asks(Protocol):
    def first(self, path: str) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class Target:
    """What one process of sqlmap is sent to. `within_like`: only what is searched for, by ways out of a LIKE."""

    role: str
    path: str
    fields: str
    post: bool = False
    within_like: bool = False

    @property
    def name(self) -> str:
        fields = f"?{self.fields}" if self.fields and not self.post else ""
        like = " within LIKE" if self.within_like else ""
        return f"{'POST' if self.post else 'GET'} /{self.path}{fields} as {self.role or 'nobody'}{like}"

    @property
    def names(self) -> list[str]:
        return [pair.split("=")[0] for pair in self.fields.split("&") if pair]

    @property
    def searched(self) -> list[str]:
        return [name for name in self.names if name in SEARCHED_FOR]

    @property
    def parameters(self) -> int:
        return len(self.searched) if self.within_like else len(self.names) + self.path.count("*")

    @property
    def is_file(self) -> bool:
        return self.path.endswith(".csv")


def targets(names: dict[str, str], visitors: Mapping[str, Opens], *, once: bool) -> list[Target]:
    """Return every target: the others' first, then each role's forms and addresses, the strongest role first.

    A role has those that it may open; what not even the strongest may open stays in, to be told.
    """
    made = []
    for post, of in ((True, OTHERS_FORMS), (False, OTHERS_ADDRESSES)):
        made += [each for role, paths in of.items() for each in _targets(role, paths, names, post=post)]
    for number, role in enumerate(ROLES):
        made += _targets(role, FORMS, names, post=True)
        if number == 0 or not once:
            made += _targets(role, ADDRESSES, names, post=False)
    return [each for each in made if each.role not in ROLES[1:] or visitors[each.role].reaches(each)]


def _targets(role: str, paths: Mapping[str, tuple[str, ...]], names: dict[str, str], *, post: bool) -> Iterator[Target]:
    for path, queries in paths.items():
        for query in queries:
            target = Target(role, _filled(path, names), _filled(query, names, quoted=True), post)
            yield target
            if target.searched and not post:
                yield replace(target, within_like=True)


def _filled(text: str, names: dict[str, str], *, quoted: bool = False) -> str:
    """Put the demo's values where their names stand; `{}` is somebody's JSON."""
    return re.sub(r"\{(\w+)\}", lambda found: quote(names[found[1]], safe="") if quoted else names[found[1]], text)


def named(visitor: Asks, names: dict[str, str]) -> dict[str, str]:
    """Return what the targets' values are called: `names`, and those of rows that the demo has."""
    now = datetime.now(UTC)
    event = visitor.first("connections/events.csv?window=7d")
    run = visitor.first("admin/monitoring/runcopy/export.csv?window=24h&status=success")
    entity = visitor.first(f"admin/monitoring/etlrunentity/export.csv?run={run['run_id']}&status=success")
    failures = visitor.first("runs/failures/groups.csv")
    keys = (
        "Login",
        "Host",
        "Program",
        "Database",
        "Session status",
        "Encrypted",
        "Authentication",
        "Address",
        "Event",
        "Session",
    )
    words = (
        "login",
        "host",
        "program",
        "database",
        "session_status",
        "encrypted",
        "auth",
        "address",
        "event",
        "session",
    )
    return {
        **names,
        **dict(zip(words, (event[key] for key in keys), strict=True)),
        "run": run["run_id"],
        "by": run["started_by"],
        "entity_key": entity["run_entity_id"],
        "pipeline": "fact_descontos",
        "failure": failures["Fingerprint"],
        "app": "monitoring",
        "since": f"{now - timedelta(days=3):%Y-%m-%d}",
        "until": f"{now + timedelta(days=1):%Y-%m-%d}",
        "today": f"{now:%Y-%m-%d}",
    }
