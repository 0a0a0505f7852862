"""Values in error messages: personal ones are masked, values that only name a row are shown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.rules.error_text import mask_values, parse, run_errors
from monitoring.rules.masking import mask_quoted
from tests.unit.error_messages import REAL, said


def masked_text(text: str) -> str:
    return mask_values(parse(text)).text


def run_text(text: str) -> str:
    """Return a run's message for a reader who may see logins."""
    error, with_logins = run_errors(text)
    shown = with_logins or error
    return shown.text if shown else ""


DUPLICATE = (
    "Violation of UNIQUE KEY constraint 'UQ_c'. Cannot insert duplicate key in object 'dim.D'. The duplicate key value "
    "is ({0})."
)


@pytest.mark.parametrize(
    ("value", "column", "shown"),
    [
        ("4711", "customer_id", "4711"),
        ("4711", "", "••••"),
        ("-3, 2024-05-01", "valid_from", "-3, 2024-05-01"),
        ("-3, 2024-05-01", "", "-•, ••••-••-••"),
        ("19800203", "", "••••••••"),
        ("<NULL>", "", "<NULL>"),
        ("f9bbf034-acfe-4c98-ad32-6010573afd3d", "", "f9bbf034-acfe-4c98-ad32-6010573afd3d"),
        ("7, 2021-04-11 21:25:18, Apr  3 2021  6:46PM", "x", "7, 2021-04-11 21:25:18, Apr  3 2021  6:46PM"),
        ("ana@example.com", "", "•••@example.com"),
        ("32929453800", "", "•••••••••00"),
        ("329.294.538-00", "", "•••.•••.•••-00"),
        ("+55 11 98765-4321", "", "+•• •• •••••-••21"),
        ("Ana Silva, 42", "", "••• •••••, ••"),
        ("FURIB", "", "•••••"),
        ("1984-05-01", "birth_date", "•••"),
        ("1234", "cpf", "••••"),
        ("", "", ""),
    ],
)
def test_what_stays_of_a_value(value: str, column: str, shown: str) -> None:
    assert mask_quoted(value, column) == shown


@pytest.mark.parametrize(
    ("constraint", "shown"),
    [
        ("PK_DIM_CLIENTE", "19800203"),
        ("PK__DIM_CLIE__3213E83F5B2C", "19800203"),
        ("UQ_DIM_CLIENTE_customer_id", "19800203"),
        ("UQ_DimCliente_SourceId", "19800203"),
        ("UQ_DIM_CLIENTE_original", "19800203"),
        ("UQ_DIM_CLIENTE", "••••••••"),
        ("UQ_DIM_CLIENTE_periodo", "••••••••"),  # "id" is in no word of it
        ("UQ_DIM_CLIENTE_birth_date", "•••"),
        ("UQ_DIM_CLIENTE_score_credito_id", "•••"),
        ("UQ_DIM_CLIENTE_cpf", "••••••03"),
        ("", "••••••••"),
    ],
)
def test_a_number_stays_where_the_constraint_says_that_it_names_a_row(constraint: str, shown: str) -> None:
    assert mask_quoted("19800203", constraint=constraint) == shown
    text = said(DUPLICATE.replace("UQ_c", constraint or "?").format("19800203"), 2627, "23000")
    assert f"({shown})" in masked_text(text)
    assert mask_values(parse(text)).key == shown


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (said(DUPLICATE.format("ana@example.com"), 2627, "23000"), "ana@"),
        (said(DUPLICATE.format("O'Brien (Ana), 7"), 2627, "23000"), "Brien"),
        (said(DUPLICATE.format("Ana Maria"), 2627, "23000")[:-30], "Ana"),
        (f"pytds.tds_base.IntegrityError: {DUPLICATE.format('Ana Silva')}", "Ana"),
        (f"Msg 2627, Level 14, State 1, Line 1\n{DUPLICATE.format('Ana')}\nThe statement has been terminated.", "Ana"),
        (
            said(
                "String or binary data would be truncated in table 'DW.dim.C', column 'nome_cliente'. Truncated value: "
                "'Ana d'Ávila'.",
                2628,
            ),
            "vila",
        ),
        (said("Conversion failed when converting the varchar value 'Ana' to data type int.", 245), "Ana"),
        (said("Conversion failed when converting the varchar value 'Ana', sim' to data type int.", 245), "sim"),
        (said("Conversion failed when converting the varchar value '19800203' to data type bit.", 245), "1980"),
        (said("Conversion failed when converting the varchar value '1980-02-03' to data type int.", 245), "1980"),
        (said("The conversion of the varchar value '720' overflowed an INT1 column.", 248), "720"),
        (said(DUPLICATE.format("1980-02-03"), 2627, "23000"), "1980"),
        (said(DUPLICATE.format("<NULL>, 720"), 2627, "23000"), "720"),
        (
            said(
                "The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object name "
                "'dim.D' and the index name 'UQ_c'. The duplicate key value is (Ana, 720).",
                1505,
            ),
            "Ana, 720",
        ),
        ("ValueError: invalid literal for int() with base 10: '1980-02-03'", "1980"),
        ("ValueError: could not convert string to float: '720 '", "720"),
        ("ValueError: time data '03/02/1980' does not match format '%Y-%m-%d'", "03/02"),
        ("ValueError: cliente 'Ana Silva' sem documento", "Silva"),
        ("ValueError: sem documento: 329.294.538-00", "329"),
        ("ValueError: sem documento: 32929453800", "32929"),
        ("ValueError: mail to ana.silva@example.com bounced", "silva"),
        ("MissingDimensionRow: f: no row in dim.C with email = ana@example.com; load it first", "ana@"),
        (
            "DBAPIError: (pyodbc.Error) ('HY104', '[HY104] x (0) (SQLBindParameter)')\n[SQL: X]\n"
            "[parameters: ('Ana',)]",
            "Ana",
        ),
        (
            'IntegrityError: (2627, b"'
            + DUPLICATE.format("a@example.com")
            + 'DB-Lib error message 20018, severity 14:\\n")',
            "(a@",
        ),
    ],
)
def test_nobody_is_named(text: str, secret: str) -> None:
    assert secret in text
    shown = masked_text(text)
    assert secret not in shown
    assert secret not in mask_values(parse(text)).words
    assert secret not in mask_values(parse(text)).key
    assert masked_text(shown) == shown
    assert parse(shown).error_class is parse(text).error_class
    assert run_text(f"{text} | ValueError: x") == f"{shown} | ValueError: x"


@pytest.mark.parametrize("real", REAL, ids=range(len(REAL)))
def test_what_explains_a_failure_stays(real) -> None:
    told, shown = parse(real.text), parse(masked_text(real.text))
    assert (shown.error_class, shown.number, shown.constraint, shown.object, shown.column) == (
        told.error_class,
        told.number,
        told.constraint,
        told.object,
        told.column,
    )


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.text(max_size=600) | st.text(alphabet="'\"()@.0123456789 ab=«“", max_size=600))
def test_any_text_is_masked_and_once_is_enough(text: str) -> None:
    shown = masked_text(text)
    assert masked_text(shown) == shown


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.text(alphabet=st.characters(categories=("Lu", "Ll", "Lo")), min_size=3, max_size=30))
def test_any_name_in_a_key_is_hidden(name: str) -> None:
    text = said(DUPLICATE.format(name), 2627, "23000")
    assert f"({name})" not in masked_text(text) or name.upper() == "NULL"
