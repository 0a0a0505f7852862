"""Fingerprints: equal for the same failure, different for others, for any text and length."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.rules.error_text import CUT_AT, FINGERPRINT_VERSION, normalised, parse, stable_name
from tests.unit.error_messages import REAL, SERVER, said

UNIQUE = (
    "Violation of UNIQUE KEY constraint '{0}'. Cannot insert duplicate key in object '{1}'. The duplicate key value "
    "is ({2})."
)
UNIQUE_PT = (
    "Violação da restrição UNIQUE KEY '{0}'. Não é possível inserir a chave duplicada no objeto '{1}'. O valor de "
    "chave duplicada é ({2})."
)

PINNED = ("d7fb709be02cfe78", "9aaa3956ef53c923", "ac9e928b09194ff0")


def of(text: str) -> str:
    return parse(text).fingerprint


def unique(constraint: str = "UQ_c", table: str = "dim.D", key: str = "42", text: str = UNIQUE) -> str:
    return of(said(text.format(constraint, table, key), 2627, "23000"))


def test_the_key_and_the_language_make_no_difference() -> None:
    assert unique() == unique(key="ana@example.com, 2024-05-01") == unique(text=UNIQUE_PT)


def test_the_table_and_the_constraint_do() -> None:
    assert len({unique(), unique("UQ_d"), unique(table="dim.E"), unique("UQ_c", "dim.D2")}) == 4


def test_what_the_server_named_itself_is_the_same_in_the_next_run() -> None:
    first = unique("UQ__#stg____3213E83E0B8B2B7A", "tempdb.dbo.#stg___________________________0000000000A1")
    assert first == unique("UQ__#stg____7777E83E0B8B2B00", "tempdb.dbo.#stg___________________________0000000000FF")
    assert unique(table="stg.vendas_20240515") == unique(table="stg.vendas_20240516")
    assert unique("PK__tblCust__049E3A8989A07B39") == unique("PK__tblCust__FEB4B4CB7B8E923A")
    assert unique("PK__tblCust__049E3A8989A07B39") != unique("PK__tblUser__049E3A8989A07B39")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ValueError: lote 12 de 2024-05-01 12:33:44 falhou", "ValueError: lote 9 de 2023-12-31 00:00:01 falhou"),
        ("ValueError: cliente 'Ana' sem e-mail", "ValueError: cliente 'João d''Ávila' sem e-mail"),
        (
            "ValueError: file 0f8fad5b-d9cb-469f-a165-70867728950e is gone",
            "ValueError: file 7c9e6679-7425-40de-944b-e07fc1f90ae7 is gone",
        ),
        ("ValueError: table #x_1 is gone", "ValueError: table ##load77 is gone"),
        ("ValueError: table tempdb.dbo.a is gone", "ValueError: table tempdb..#b is gone"),
        ("ValueError: code 0xDEADBEEF", "ValueError: code 0x1"),
        ("ValueError: row (1, 'a') twice", "ValueError: row (2, 'b', 'c') twice"),
        ("ValueError:  twice\tblank", "ValueError: twice blank"),
        (said("Something new in 'x' (7).", 50001), said("Something new in 'y' (8).", 50001)),
    ],
)
def test_what_differs_from_time_to_time_makes_no_difference(one: str, other: str) -> None:
    assert of(one) == of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ValueError: a", "ValueError: b"),
        ("ValueError: a", "KeyError: a"),
        (said("Something new.", 50001), said("Something new.", 50002)),
        (
            said("Error converting data type nvarchar to numeric.", 8114),
            said("Error converting data type varchar to int.", 8114),
        ),
        (said("Invalid column name 'a'.", 207), said("Invalid column name 'b'.", 207)),
        ("", "ValueError: a"),
    ],
)
def test_what_tells_two_failures_apart(one: str, other: str) -> None:
    assert of(one) != of(other)


def test_a_deadlock_is_a_deadlock() -> None:
    resources = ("lock", "lock | communication buffer", "thread")
    texts = [
        said(f"Transaction (Process ID {n}) was deadlocked on {each} resources with another process.", 1205, "40001")
        for n, each in enumerate(resources)
    ]
    assert len({of(text) for text in texts}) == 1
    assert of(texts[0]) != of(said("Lock request time out period exceeded.", 1222))


def test_a_message_cut_at_the_end_is_the_same_failure() -> None:
    whole = said(f"{UNIQUE.format('UQ_c', 'dim.D', 'x' * 200)} {'and so on ' * 400}", 2627, "23000")[: CUT_AT - 1]
    free = "ValueError: something went wrong with the rows of the day: " + "and so on " * 500
    assert of(free[: CUT_AT - 5]) == of(free[:CUT_AT])
    assert of(whole) == of(whole[:3000])
    assert of("ValueError: value 'abc' is bad") != of("ValueError: other 'abc' is bad")
    assert of("ValueError: value '" + "x" * 3900) == of("ValueError: value '" + "y" * 900)


@pytest.mark.parametrize("real", REAL, ids=range(len(REAL)))
def test_real_messages_have_one_each_and_it_is_stable(real) -> None:
    first = of(real.text)
    assert first == of(real.text)
    assert len(first) == 16
    assert int(first, 16) >= 0


def test_the_version_counts_and_the_fingerprints_are_pinned() -> None:
    """A change of the rules must change the version, else old and new fingerprints would not match."""
    assert FINGERPRINT_VERSION == 1
    assert (unique(), of(""), of("ValueError: lote 12 de 'x'")) == PINNED


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.text(max_size=4100) | st.text(alphabet="#_'\"()[]{}0aF-:., é«“\n\x00", max_size=4100))
def test_any_text_has_one(text: str) -> None:
    failure = parse(text)
    assert len(failure.fingerprint) == 16
    assert normalised(normalised(text)) is not None
    stable_name(text)


@pytest.mark.parametrize(
    "body", [" ", "(", "'", "(1)", "a.", "#", "-1", "tempdb.", "(''", "0x", "“", "_____", "1-", "\\"]
)
@pytest.mark.parametrize("head", ["", f"Error: ('23000', '[23000] {SERVER}"])
def test_twice_as_long_costs_about_twice_as_much(body: str, head: str) -> None:
    def cost(size: int) -> float:
        text = (head + body * size)[:size]
        times = []
        for _ in range(3):
            started = time.perf_counter()
            parse(text)
            stable_name(text)
            times.append(time.perf_counter() - started)
        return min(times)

    assert cost(32_000) < max(40 * cost(4_000), 0.25)
