"""The pre-flight of one tick's reading, and the T-SQL that fixes what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitoring.collector.read import CONTRACT_TABLES, DW, OLTP, WarehouseReading, needed_indexes
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import ConnectionReading, PipelineReading, Preflight, Problem
from monitoring.rules.preflight import ObjectReading, Rights, preflight
from monitoring.warehouse import permissions as sql
from monitoring.warehouse.catalog import Catalog, Table
from monitoring.warehouse.names import TableName, parse_table
from monitoring.warehouse.permissions import AZURE_DATABASE, Remedy

SCHEMAS = ("ctl", "audit")
READABLE_SCHEMAS = {DW: ("ctl", "audit", "dim", "fact"), OLTP: ("core",)}
"""CONTRACT: the schemas that the portal's login may read as a whole."""

CONTRACT_INDEXES: dict[str, tuple[tuple[str, ...], ...]] = {
    "audit.etl_run": (("started_at",),),
    "audit.etl_run_entity": (("run_id", "entity_name"),),
    "audit.connection_login_events": (("event_time_utc",),),
}
"""Indexes that the portal needs on the growing tables, besides their primary keys."""


def preflight_of(
    reading: WarehouseReading, pipelines: Iterable[PipelineReading], required: tuple[str, ...]
) -> Preflight:
    """`pipelines` hold only values that this tick read."""
    structure = reading.structure
    dw = structure.catalogs[DW]
    return preflight(
        checked_at=structure.checked_at,
        dw=structure.connections[DW],
        oltp=structure.connections[OLTP],
        schemas=[_schema(name, dw) for name in SCHEMAS],
        tables=[_table(name, columns, dw) for name, columns in CONTRACT_TABLES.items()],
        rights=structure.rights,
        pipelines=None if reading.control is None else list(pipelines),
        pipelines_problem=reading.problem,
        required=required,
    )


def missing_indexes(table: Table) -> tuple[tuple[str, ...], ...]:
    """Return the contract's missing indexes. A view has none of its own."""
    if table.is_view:
        return ()
    wanted = CONTRACT_INDEXES.get(str(table.name).casefold(), ())
    return tuple(columns for columns in wanted if not table.indexed_by(*columns))


def _schema(name: str, dw: Catalog | Problem) -> ObjectReading:
    if isinstance(dw, Problem):
        return ObjectReading(name=name, exists=None, problem=dw)
    exists = name in dw.schemas
    return ObjectReading(name=name, exists=exists, problem=None if exists else _missing(name))


def _table(name: str, columns: frozenset[str], dw: Catalog | Problem) -> ObjectReading:
    if isinstance(dw, Problem):
        return ObjectReading(name=name, exists=None, problem=dw)
    table = dw.find(parse_table(name))
    if table is None:
        return ObjectReading(name=name, exists=False, problem=_missing(name))
    lacking = tuple(sorted(column for column in columns if table.column(column) is None))
    problem = indexes = None
    if lacking:
        problem = Problem(code=ProblemCode.COLUMN_MISSING, detail=f"{name}: {', '.join(lacking)}"[:500])
    elif not table.readable:
        problem = Problem(code=ProblemCode.PERMISSION_DENIED, detail=f"SELECT {name}")
    if name in CONTRACT_INDEXES and not lacking:
        indexes = tuple(", ".join(columns) for columns in missing_indexes(table))
    return ObjectReading(
        name=name,
        exists=True,
        missing_columns=lacking,
        selectable=table.readable,
        missing_indexes=indexes,
        problem=problem,
    )


def _missing(name: str) -> Problem:
    return Problem(code=ProblemCode.OBJECT_MISSING, detail=name)


def remedies(reading: WarehouseReading, login: str) -> tuple[Remedy, ...]:
    """Return the statements. The login that the server reports takes precedence over `login` of the settings."""
    structure = reading.structure
    rights = structure.rights if isinstance(structure.rights, Rights) else None
    login = (rights.login if rights else "") or login
    users = {DW: (rights.user if rights else "") or login, OLTP: login}
    found = [*_sessions(structure.connections[DW], rights, login, users[DW])]
    for alias, connection in structure.connections.items():
        database, catalog = connection.database, structure.catalogs[alias]
        found += _unopened(connection, login)
        found += _snapshot(connection)
        if isinstance(catalog, Catalog):
            found += _selects(database, alias, catalog, sorted(structure.wanted[alias]), users[alias])
        for name, allowed in rights.procedures if rights is not None and alias == DW else ():
            if not allowed:
                statement = sql.grant_object("EXECUTE", parse_table(name), users[DW])
                found.append(Remedy(database=database, statement=statement, why="execute", values={"name": name}))
        online = rights is not None and rights.edition in sql.ONLINE_EDITIONS
        indexes = _contract_indexes(catalog) if alias == DW else _source_indexes(reading)
        found += [
            Remedy(
                database=database,
                statement=sql.create_index(table.counted, columns, online=online),
                why="index_online" if online else "index",
                values={"name": str(table.counted), "entity": entity},
            )
            for table, columns, entity in indexes
        ]
    # Two pipelines may need the same statement.
    return tuple({(each.database, each.statement): each for each in reversed(found)}.values())[::-1]


def _sessions(dw: ConnectionReading, rights: Rights | None, login: str, user: str) -> Iterator[Remedy]:
    if rights is None or rights.sees_sessions:
        return
    azure = rights.edition == AZURE_DATABASE
    database, principal = (dw.database, user) if azure else ("master", login)
    for permission in rights.sessions_permissions:
        yield Remedy(database=database, statement=sql.grant(permission, principal), why="sessions")


def _unopened(reading: ConnectionReading, login: str) -> Iterator[Remedy]:
    """A database that does not open on a reachable server may lack the user."""
    if reading.reachable or reading.problem is None or reading.problem.code is not ProblemCode.DATABASE_UNAVAILABLE:
        return
    yield Remedy(database=reading.database, statement=sql.create_user(login), why="user")
    for schema in READABLE_SCHEMAS[reading.alias]:
        yield Remedy(database=reading.database, statement=sql.grant_schema(schema, login), why="user")


def _snapshot(reading: ConnectionReading) -> Iterator[Remedy]:
    terms = reading.terms
    if reading.reachable and terms and terms.isolation_wanted and terms.isolation != terms.isolation_wanted:
        yield Remedy(database=reading.database, statement=sql.allow_snapshot(reading.database), why="snapshot")


def _selects(database: str, alias: str, catalog: Catalog, wanted: list[TableName], user: str) -> Iterator[Remedy]:
    for table in catalog.tables.values():
        if not table.readable:
            yield _select(database, alias, table.name, user, "select")
    seen = {table.name.schema.casefold() for table in catalog.tables.values()}
    for name in wanted:
        # A schema without any visible table may be missing or hidden. In a schema with visible tables, a pipeline's
        # table would be visible too; for the contract's tables the permission is suggested in any case.
        if catalog.find(name) is None and (name.schema.casefold() not in seen or str(name) in CONTRACT_TABLES):
            yield _select(database, alias, name, user, "hidden")


def _select(database: str, alias: str, name: TableName, user: str, why: str) -> Remedy:
    whole = name.schema.casefold() in READABLE_SCHEMAS[alias]
    statement = sql.grant_schema(name.schema, user) if whole else sql.grant_object("SELECT", name, user)
    return Remedy(database=database, statement=statement, why=why, values={"name": name.schema if whole else str(name)})


def _contract_indexes(catalog: Catalog | Problem) -> Iterator[tuple[Table, tuple[str, ...], str]]:
    if isinstance(catalog, Problem):
        return
    for table in filter(None, (catalog.find(parse_table(name)) for name in CONTRACT_TABLES)):
        for columns in missing_indexes(table):
            yield table, columns, ""


def _source_indexes(reading: WarehouseReading) -> Iterator[tuple[Table, tuple[str, ...], str]]:
    """Yield (table, columns, pipeline) of each missing index."""
    for entity, probe in reading.source_probes.items():
        for table, columns in needed_indexes(probe):
            if not table.is_view and not table.indexed_by(*columns):
                yield table, columns, entity
