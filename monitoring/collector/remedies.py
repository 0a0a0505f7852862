"""What the portal lacks on the watched databases, as statements for a DBA: indexes, permissions."""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.collector.judge import missing_indexes
from monitoring.collector.read import CONTRACT_TABLES, DW, OLTP, Looked
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem
from monitoring.rules.preflight import Rights
from monitoring.warehouse import permissions as text
from monitoring.warehouse.catalog import Catalog, Table
from monitoring.warehouse.names import TableName, parse_table
from monitoring.warehouse.permissions import AZURE_DATABASE, Remedy
from monitoring.warehouse.probes import joins_of

SCHEMAS = {DW: ("ctl", "audit", "dim", "fact"), OLTP: ("core",)}
"""CONTRACT: the schemas that the portal's login may read as a whole."""


def remedies(looked: Looked, login: str) -> tuple[Remedy, ...]:
    """Return what would help, server first, then each database: permissions before indexes.

    `login`: the portal's, as the settings name it; what the server says of itself is preferred.
    """
    rights = looked.structure.rights if isinstance(looked.structure.rights, Rights) else None
    login = (rights.login if rights else "") or login
    user = {DW: (rights.user if rights else "") or login, OLTP: login}
    found = [*_sessions(looked, rights, login, user[DW])]
    for alias in (DW, OLTP):
        found += _unopened(looked, alias, login)
        found += _snapshot(looked, alias)
        found += _selects(looked, alias, user[alias])
        if alias == DW:
            found += _procedures(looked, rights, user[DW])
        found += _indexes(looked, alias, online=rights is not None and rights.edition in text.ONLINE_EDITIONS)
    return _once(found)


def _once(found: list[Remedy]) -> tuple[Remedy, ...]:
    """Drop repeated statements: two pipelines may need the same one."""
    return tuple({(each.database, each.statement): each for each in reversed(found)}.values())[::-1]


def _database(looked: Looked, alias: str) -> str:
    return looked.structure.connections[alias].database


def _sessions(looked: Looked, rights: Rights | None, login: str, user: str) -> Iterator[Remedy]:
    if rights is None or rights.sees_sessions:
        return
    azure = rights.edition == AZURE_DATABASE
    for permission in rights.sessions_permissions:
        yield Remedy(
            database=_database(looked, DW) if azure else "master",
            statement=text.grant(permission, user if azure else login),
            why="sessions",
        )


def _unopened(looked: Looked, alias: str, login: str) -> Iterator[Remedy]:
    """Return the statements for a database that does not open on a server that answers: a user may be missing."""
    reading = looked.structure.connections[alias]
    if reading.reachable or reading.problem is None or reading.problem.code is not ProblemCode.DATABASE_UNAVAILABLE:
        return
    yield Remedy(database=reading.database, statement=text.create_user(login), why="user")
    for schema in SCHEMAS[alias]:
        yield Remedy(database=reading.database, statement=text.grant_schema(schema, login), why="user")


def _snapshot(looked: Looked, alias: str) -> Iterator[Remedy]:
    reading = looked.structure.connections[alias]
    terms = reading.terms
    if reading.reachable and terms and terms.isolation_wanted and terms.isolation != terms.isolation_wanted:
        yield Remedy(database=reading.database, statement=text.allow_snapshot(reading.database), why="snapshot")


def _selects(looked: Looked, alias: str, user: str) -> Iterator[Remedy]:
    catalog = looked.structure.catalogs[alias]
    if isinstance(catalog, Problem):
        return
    database = _database(looked, alias)
    for table in catalog.tables.values():
        if not table.readable:
            yield _select(database, alias, table.name, user, "select")
    seen = {table.name.schema.casefold() for table in catalog.tables.values()}
    for name in _wanted(looked, alias):
        # A schema without any visible table may be missing or hidden. In a schema with visible tables, a pipeline's
        # table would be visible too; for the contract's tables the permission is suggested in any case.
        if catalog.find(name) is None and (name.schema.casefold() not in seen or str(name) in CONTRACT_TABLES):
            yield _select(database, alias, name, user, "hidden")


def _select(database: str, alias: str, name: TableName, user: str, why: str) -> Remedy:
    whole = name.schema.casefold() in SCHEMAS[alias]
    statement = text.grant_schema(name.schema, user) if whole else text.grant_object("SELECT", name, user)
    return Remedy(database=database, statement=statement, why=why, values={"name": name.schema if whole else str(name)})


def _wanted(looked: Looked, alias: str) -> list[TableName]:
    if alias == DW:
        targets = [plan.names.target for plan in looked.plans.values() if plan.names.target is not None]
        return [*(parse_table(name) for name in CONTRACT_TABLES), *targets]
    found: list[TableName] = []
    for plan in looked.plans.values():
        if plan.names.source is not None:
            found.append(plan.names.source)
            found += (join.table for join in joins_of(plan.names.source, plan.decided.watermark_column))
    return found


def _procedures(looked: Looked, rights: Rights | None, user: str) -> Iterator[Remedy]:
    for name, allowed in rights.procedures if rights is not None else ():
        if not allowed:
            yield Remedy(
                database=_database(looked, DW),
                statement=text.grant_object("EXECUTE", parse_table(name), user),
                why="execute",
                values={"name": name},
            )


def _indexes(looked: Looked, alias: str, *, online: bool) -> Iterator[Remedy]:
    why = "index_online" if online else "index"
    catalog = looked.structure.catalogs[alias]
    if alias == DW and isinstance(catalog, Catalog):
        for table in filter(None, (catalog.find(parse_table(name)) for name in CONTRACT_TABLES)):
            for columns in missing_indexes(table):
                yield _index(_database(looked, DW), table, columns, why, "")
    if alias != OLTP:
        return
    for entity, plan in looked.plans.items():
        if plan.source_probe is None:
            continue
        first, *others = plan.source_probe.chain
        needed = [(first.table, (first.ts.name, plan.source_probe.key)), *((o.table, (o.ts.name,)) for o in others)]
        for table, columns in needed:
            if not table.is_view and not table.indexed_by(*columns):
                yield _index(_database(looked, OLTP), table, columns, why, entity)


def _index(database: str, table: Table, columns: tuple[str, ...], why: str, entity: str) -> Remedy:
    return Remedy(
        database=database,
        statement=text.create_index(table.counted, columns, online=why == "index_online"),
        why=why,
        values={"name": str(table.counted), "entity": entity},
    )
