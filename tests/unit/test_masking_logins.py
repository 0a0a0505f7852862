"""Logins, hosts, addresses and personal values that a message quotes are masked; what helps stays."""

from __future__ import annotations

import pytest

from monitoring.rules.masking import mask_connection, mask_login, mask_logins


@pytest.mark.parametrize(
    ("text", "gone", "stays"),
    [
        ("Login failed for user 'maria.silva'. (18456)", ["maria.silva"], ["Login failed for user", "18456", "va'"]),
        ("Falha de logon do usuário 'CORP\\maria'. [CLIENT: 10.20.30.41]", ["maria", "10.20.30"], ["CORP\\", ".41]"]),
        ("Error de inicio de sesión del usuario 'jperez'.", ["jperez"], ["usuario '"]),
        ('The user "bob_the_builder" may not', ["bob_the"], ["may not"]),
        ("The duplicate key value is (ana.costa@example.com, 4711).", ["ana.costa"], ["@example.com", "4711"]),
        ("O valor da chave duplicada é (Ana B, 12).", ["Ana"], [", 12)"]),
        ("The duplicate key value is (4711). (2627)", [], ["(4711)", "(2627)"]),
        ("converting the varchar value 'Maria Souza' to data type int", ["Maria", "Souza"], ["data type int"]),
        ("converting the varchar value '12A' to data type int", ["12A"], ["data type int"]),
        ("Truncated value: 'Maria Sou'.", ["Maria"], ["Truncated value"]),
        ("mail to ana@example.com.br bounced", ["ana@"], ["@example.com.br bounced"]),
        ("server 'SQLPROD01\\INST' was not found", ["SQLPROD01"], ["was not found"]),
        ("TCP Provider: host srv-db01 does not answer", ["srv-db01"], ["does not answer"]),
        ("from fe80::1ff:fe23:4567:890a at 12:30:45", ["fe80::1ff"], ["12:30:45"]),
        ("CPF 123.456.789-09, CNPJ 12.345.678/0001-95", ["123.456.789", "12.345.678"], ["CPF", "CNPJ"]),
        ("call +55 11 98765-4321", ["98765"], ["call"]),
        ("UID=etl_monitor;APP=x", ["etl_monitor"], ["APP=x"]),
        ("HR\\\\maria.souza cannot open it", ["maria.souza"], ["HR", "cannot open it"]),
    ],
)
def test_what_goes_and_what_stays(text: str, gone: list[str], stays: list[str]) -> None:
    masked = mask_logins(text)
    assert [part for part in gone if part in masked] == []
    assert [part for part in stays if part not in masked] == []
    assert mask_logins(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Violation of UNIQUE KEY constraint 'UQ_DIM_CLIENTE_original'. Cannot insert duplicate key in object 'dim.X'.",
        "Invalid column name 'STOCK_QTY'. (207)",
        "The host is unreachable; 2024-05-15 12:00:00.123",
        "Conversion failed when converting the varchar value '4711' to data type int.",
        "ODBC Driver 18 for SQL Server, line 4000, state 1",
    ],
)
def test_what_names_nobody_stays_as_it_is(text: str) -> None:
    assert mask_logins(text) == text


def test_a_login_keeps_its_domain_its_shape_and_its_end() -> None:
    assert mask_login("CORP\\maria.silva") == "CORP\\•••••.•••va"
    assert mask_login("svc_etl") == "•••_•tl"
    assert mask_login("ana") == "•••"
    assert mask_login("") == ""


def test_a_connection_string_keeps_the_server() -> None:
    shown = mask_connection("DRIVER={x};SERVER=sql.example,1433;UID=etl_monitor;PWD=***")
    assert "etl_monitor" not in shown
    assert "SERVER=sql.example,1433" in shown


def test_a_hostile_message_costs_little() -> None:
    for text in ("user '" * 700, "(" * 4000, "a@" * 2000, "1." * 2000, ":" * 4000, "x\\" * 2000):
        mask_logins(text[:4000])
