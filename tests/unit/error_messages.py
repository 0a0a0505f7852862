"""Real error messages with their sources and the expected fields.

A source is a page of learn.microsoft.com (sys.messages' texts, filled in where they have placeholders), or the public
place in which somebody pasted what the server or the driver said to them.
"""

# ruff: noqa: E501 - texts as they were found

from __future__ import annotations

from typing import Any, NamedTuple

from monitoring.rules.enums import ErrorClass as C

DOCS = "learn.microsoft.com, Database engine events and errors"
DOCS_PT = "learn.microsoft.com/pt-br, Database engine events and errors"
DOCS_ES = "learn.microsoft.com/es-es, Database engine events and errors"
ODBC = "learn.microsoft.com, ODBC error codes (appendix A)"
SERENITY = "github.com/serenity-is/Serenity, sys.messages 515, 547, 2601, 2627 in all languages"
CLIENT = "[Microsoft][ODBC Driver 18 for SQL Server]"
SERVER = f"{CLIENT}[SQL Server]"


class Real(NamedTuple):
    """A message as the runner stores it. `tells` are the expected fields of ErrorText."""

    source: str
    text: str
    kind: C
    tells: dict[str, Any]


def said(words: str, native: int, state: str = "42000", kind: str = "ProgrammingError", more: str = "") -> str:
    """The text from pyodbc: type and `str()` of its exception."""
    error = f"[{state}] {SERVER}{words} ({native}) (SQLExecDirectW){more}"
    return f"{kind}: {(state, error)!r}"


def _docs(words: str, native: int, kind: C, state: str = "42000", source: str = DOCS, **tells: Any) -> Real:
    return Real(source, said(words, native, state), kind, {"number": native, **tells})


# fmt: off
ENGLISH = [
    _docs("Violation of PRIMARY KEY constraint 'PK_Customers'. Cannot insert duplicate key in object 'dbo.Customers'. "
          "The duplicate key value is (FURIB).", 2627, C.UNIQUE, "23000", "github.com/microsoft/sql-server-samples#1091",
          constraint="PK_Customers", object="dbo.Customers", key="FURIB", severity=14),
    _docs("Violation of PRIMARY KEY constraint 'pk_sqlwatch_logger_errorlog'. Cannot insert duplicate key in object "
          "'dbo.sqlwatch_logger_errorlog'. The duplicate key value is (2021-04-11 21:25:18, Apr  3 2021  6:46PM, 8, "
          "1693, 1, 1, 25).", 2627, C.UNIQUE, "23000", "github.com/marcingminski/sqlwatch#252",
          key="2021-04-11 21:25:18, Apr  3 2021  6:46PM, 8, 1693, 1, 1, 25"),
    _docs("Cannot insert duplicate key row in object 'dbo.T' with unique index 'IX_T'. The duplicate key value is "
          "(a (b), c).", 2601, C.UNIQUE, "23000", object="dbo.T", constraint="IX_T", key="a (b), c", severity=14),
    _docs("The INSERT statement conflicted with the FOREIGN KEY constraint \"FK_Order\". The conflict occurred in "
          "database \"Sales\", table \"dbo.Customer\", column 'CustomerId'.", 547, C.FOREIGN_KEY, "23000",
          constraint="FK_Order", object="dbo.Customer", column="CustomerId", severity=16),
    _docs("The UPDATE statement conflicted with the FOREIGN KEY SAME TABLE constraint \"FK_Parent\". The conflict "
          "occurred in database \"Sales\", table \"dbo.Node\", column 'Id'.", 547, C.FOREIGN_KEY, "23000", column="Id"),
    _docs("The UPDATE statement conflicted with the CHECK constraint \"CK_Price\". The conflict occurred in database "
          "\"Sales\", table \"dbo.Item\", column 'STOCK_QTY'.", 547, C.CHECK, "23000", column="STOCK_QTY"),
    _docs("A column insert or update conflicts with a rule imposed by a previous CREATE RULE statement. The statement "
          "was terminated. The conflict occurred in database 'DW', table 'dim.X', column 'y'.", 513, C.CHECK),
    _docs("The attempted insert or update failed because the target view either specifies WITH CHECK OPTION or spans "
          "a view that specifies WITH CHECK OPTION and one or more rows resulting from the operation did not qualify "
          "under the CHECK OPTION constraint.", 550, C.CHECK),
    _docs("Cannot insert the value NULL into column 'STOCK_QTY', table 'DW.dim.DIM_PRODUTO'; column does not allow "
          "nulls. INSERT fails.", 515, C.NOT_NULL, "23000", column="STOCK_QTY", object="DW.dim.DIM_PRODUTO"),
    _docs("String or binary data would be truncated in table 'tempdb.dbo.#x', column 'nome'. Truncated value: "
          "'Rua d'Água'.", 2628, C.TRUNCATION, column="nome", key="Rua d'Água", severity=16),
    _docs("String or binary data would be truncated.", 8152, C.TRUNCATION, "22001", severity=16),
    _docs("Implicit conversion from data type datetime to int is not allowed. Use the CONVERT function to run this "
          "query.", 257, C.CONVERSION),
    _docs("Disallowed implicit conversion from data type varchar to data type money, table 'DW.dbo.T', column 'c'. Use "
          "the CONVERT function to run this query.", 260, C.CONVERSION),
    _docs("Conversion failed when converting the varchar value '12a' to data type int.", 245, C.CONVERSION, "22018",
          key="12a"),
    _docs("The conversion of the varchar value '9999999999' overflowed an int column.", 248, C.CONVERSION, "22003",
          key="9999999999"),
    _docs("Conversion failed when converting date and/or time from character string.", 241, C.CONVERSION, "22007"),
    _docs("The conversion of a varchar data type to a datetime data type resulted in an out-of-range value.", 242,
          C.CONVERSION, "22007"),
    _docs("The conversion of char data type to smalldatetime data type resulted in an out-of-range smalldatetime "
          "value.", 296, C.CONVERSION, "22007"),
    _docs("Explicit conversion from data type int to date is not allowed.", 529, C.CONVERSION),
    _docs("An invalid datetime value was encountered. Value exceeds the year 9999.", 542, C.CONVERSION),
    _docs("Adding a value to a 'datetime' column caused an overflow.", 517, C.CONVERSION, severity=16),
    _docs("Error converting data type nvarchar to numeric.", 8114, C.CONVERSION),
    _docs("Arithmetic overflow error converting expression to data type int.", 8115, C.CONVERSION, "22003"),
    _docs("Divide by zero error encountered.", 8134, C.CONVERSION, "22012"),
    Real("github.com/apache/airflow#19856", "sqlalchemy.exc.DBAPIError: (pyodbc.Error) ('40001', '[40001] [Microsoft]"
         "[ODBC Driver 17 for SQL Server][SQL Server]Transaction (Process ID 55) was deadlocked on lock resources with "
         "another process and has been chosen as the deadlock victim. Rerun the transaction. (1205) "
         "(SQLExecDirectW)')", C.DEADLOCK,
         {"number": 1205, "sqlstate": "40001", "severity": 13, "exception_type": "DBAPIError"}),
    _docs("Lock request time out period exceeded.", 1222, C.LOCK_TIMEOUT, severity=16),
    _docs("A timeout occurred while waiting for memory resources to execute the query in resource pool 'default' (2). "
          "Rerun the query.", 8645, C.TIMEOUT),
    _docs("SELECT permission denied in database 'DW'.", 262, C.PERMISSION, object="DW"),
    _docs("The EXECUTE permission was denied on the object 'sp_capture', database 'DW', schema 'audit'.", 229,
          C.PERMISSION, object="audit.sp_capture", severity=14),
    _docs("VIEW SERVER STATE permission was denied on object 'server', database 'master'.", 300, C.PERMISSION,
          severity=14),
    _docs("The user does not have permission to perform this action.", 297, C.PERMISSION, severity=16),
    _docs("The server principal \"etl\" is not able to access the database \"DW\" under the current security context.",
          916, C.PERMISSION, object="DW"),
    _docs("Login failed for user 'NT AUTHORITY\\ANONYMOUS LOGON'.", 18456, C.LOGIN, "28000", severity=14),
    _docs("Cannot open server 'x' requested by the login. Client with IP address '203.0.113.7' is not allowed to "
          "access the server.", 40615, C.LOGIN),
    _docs("Cannot continue the execution because the session is in the kill state.", 596, C.NETWORK, "HY000"),
    _docs("Database 'DW' on server 'x' is not currently available. Please retry the connection later.", 40613,
          C.NETWORK),
    _docs("Invalid object name 'dim.DIM_LOCK_TIMEOUT'.", 208, C.MISSING_OBJECT, "42S02", object="dim.DIM_LOCK_TIMEOUT"),
    _docs("Could not find stored procedure 'audit.sp_x'.", 2812, C.MISSING_OBJECT, object="audit.sp_x", severity=16),
    _docs("Database 'DW_OLD' does not exist. Make sure that the name is entered correctly.", 911, C.MISSING_OBJECT,
          "08004", object="DW_OLD"),
    _docs("Object 'dim.X' cannot be found.", 267, C.MISSING_OBJECT),
    _docs("Invalid column name 'STOCK_QTY'.", 207, C.MISSING_COLUMN, "42S22", column="STOCK_QTY"),
    _docs("The multi-part identifier \"c.nome\" could not be bound.", 4104, C.MISSING_COLUMN, column="c.nome"),
    _docs("The select list for the INSERT statement contains more items than the insert list. The number of SELECT "
          "values must match the number of INSERT columns.", 121, C.MISSING_COLUMN, "21S01"),
    _docs("Column name or number of supplied values does not match table definition.", 213, C.MISSING_COLUMN, "21S01"),
    _docs("The column \"total\" cannot be modified because it is either a computed column or is the result of a UNION "
          "operator.", 271, C.MISSING_COLUMN, column="total"),
    _docs("Could not allocate space for object 'dbo.SORT temporary run storage:  140737503494144' in database 'tempdb' "
          "because the 'PRIMARY' filegroup is full. Create disk space by deleting unneeded files, dropping objects in "
          "the filegroup, adding additional files to the filegroup, or setting autogrowth on for existing files in the "
          "filegroup.", 1105, C.SPACE, severity=17),
    _docs("Could not allocate a new page for database 'DW' because of insufficient disk space in filegroup 'PRIMARY'. "
          "Create the necessary space by dropping objects in the filegroup, adding additional files to the filegroup, "
          "or setting autogrowth on for existing files in the filegroup.", 1101, C.SPACE, object="DW", severity=17),
    _docs("TEMPDB ran out of space during spilling. Create space by dropping objects and/or rewrite the query to "
          "consume fewer rows. If the issue still persists, consider upgrading to a higher service level objective.",
          1104, C.SPACE, severity=17),
    _docs("The transaction log for database 'DW' is full due to 'LOG_BACKUP'.", 9002, C.LOG_FULL, object="DW"),
    _docs("Cannot insert explicit value for identity column in table 'DIM_X' when IDENTITY_INSERT is set to OFF.", 544,
          C.OTHER, "23000", object="DIM_X"),
    _docs("Cannot resolve the collation conflict between \"Latin1_General_CI_AS\" and \"SQL_Latin1_General_CP1_CI_AS\" "
          "in the equal to operation.", 468, C.OTHER),
]

PORTUGUESE = [
    Real("a public T-SQL course (Msg as printed)",
         "Mensagem 2627, Nível 14, Estado 1, Linha 44\nViolação da restrição UNIQUE KEY 'UQ_UNICO_CPF'. Não é possível "
         "inserir a chave duplicada no objeto 'dbo.UNICO'. O valor de chave duplicada é (32929453800).", C.UNIQUE,
         {"number": 2627, "severity": 14, "constraint": "UQ_UNICO_CPF", "object": "dbo.UNICO", "key": "32929453800"}),
    _docs("Não é possível inserir uma linha de chave duplicada no objeto 'dim.D' com índice exclusivo 'IX_d'. O valor "
          "de chave duplicada é (7).", 2601, C.UNIQUE, "23000", SERENITY, object="dim.D", constraint="IX_d", key="7"),
    _docs("A instrução INSERT conflitou com a restrição do FOREIGN KEY \"FK_Cliente_Endereco\". O conflito ocorreu no "
          "banco de dados \"FastBank\", tabela \"dbo.Endereco\", column 'codigo'.", 547, C.FOREIGN_KEY, "23000",
          "a public T-SQL course", constraint="FK_Cliente_Endereco", object="dbo.Endereco", column="codigo"),
    Real("a public T-SQL course (Msg as printed)",
         "Mensagem 547, Nível 16, Estado 0, Linha 75\nA instrução INSERT conflitou com a restrição do CHECK "
         "\"CK_VALIDAR_IDADE\". O conflito ocorreu no banco de dados \"anotacoes\", tabela \"dbo.VALIDAR_IDADE\", "
         "column 'Idade'.", C.CHECK, {"number": 547, "severity": 16, "column": "Idade"}),
    Real("a public T-SQL course (Msg as printed)",
         "Mensagem 515, Nível 16, Estado 2, Linha 1\nNão é possível inserir o valor NULL na coluna 'Unome', tabela "
         "'EMPRESA.dbo.FUNCIONARIO'; a coluna não permite nulos. Falha em INSERT.", C.NOT_NULL,
         {"number": 515, "column": "Unome", "object": "EMPRESA.dbo.FUNCIONARIO"}),
    Real("a public T-SQL course (Msg as printed)",
         "Mensagem 8115, Nível 16, Estado 2, Linha 1297\nErro de estouro aritmético ao converter expression no tipo de "
         "dados int.", C.CONVERSION, {"number": 8115, "severity": 16}),
    _docs("A transação (ID do processo 72) entrou em deadlock em bloquear recursos com outro processo e foi escolhida "
          "como a vítima do deadlock. Execute a transação novamente.", 1205, C.DEADLOCK, "40001", DOCS_PT, severity=13),
    Real("a public bug report", "ProgrammingError: ('42S02', \"[42S02] [Microsoft][ODBC Driver 17 for SQL Server]"
         "[SQL Server]Nome de objeto '#BASE_DEM' inválido. (208) (SQLExecDirectW)\")", C.MISSING_OBJECT,
         {"number": 208, "object": "#BASE_DEM", "sqlstate": "42S02"}),
    Real("a public PHP course", "PDOException: SQLSTATE[28000]: [Microsoft][ODBC Driver 17 for SQL Server][SQL Server]"
         "Falha de logon do usuário 'sa'.", C.LOGIN, {"number": None, "sqlstate": "28000"}),
    _docs("O log de transações do banco de dados 'DW' está cheio. Para saber o motivo pelo qual o espaço no log não "
          "pode ser usado novamente, consulte a coluna log_reuse_wait_desc em sys.databases.", 9002, C.LOG_FULL,
          source=DOCS_PT, object="DW"),
]

SPANISH = [
    Real("a public database course (Msg as printed)",
         "Mens. 2627, Nivel 14, Estado 1, Línea 1\nInfracción de la restricción UNIQUE KEY \"uq_cliente_dni\".\nNo se "
         "puede insertar una clave duplicada en el objeto \"dbo.cliente\". El valor de la clave duplicada es "
         "(35123456).\nSe terminó la instrucción.", C.UNIQUE,
         {"number": 2627, "severity": 14, "constraint": "uq_cliente_dni", "object": "dbo.cliente", "key": "35123456"}),
    Real("a public T-SQL course (SQL Server 2000's form)",
         "Servidor: mensaje 2627, nivel 14, estado 1, procedimiento usp_Venta, línea 45\nInfracción de la restricción "
         "PRIMARY KEY 'pk_DETALLE'. No se puede insertar una clave duplicada en el objeto 'DETALLE'.", C.UNIQUE,
         {"number": 2627, "severity": 14, "constraint": "pk_DETALLE", "object": "DETALLE", "key": ""}),
    _docs("No se puede insertar una fila de clave duplicada en el objeto 'dim.D' con índice único 'IX_d'. El valor de "
          "la clave duplicada es (7).", 2601, C.UNIQUE, "23000", SERENITY, object="dim.D", constraint="IX_d", key="7"),
    _docs("Instrucción INSERT en conflicto con la restricción FOREIGN KEY \"FK_visitaProgramada_rutaProgramada\". El "
          "conflicto ha aparecido en la base de datos \"ImpactTrade_pg\", tabla \"trade.programacion_ruta\", column "
          "'idProgRuta'.", 547, C.FOREIGN_KEY, "23000", "a public application's log",
          constraint="FK_visitaProgramada_rutaProgramada", object="trade.programacion_ruta", column="idProgRuta"),
    _docs("No se puede insertar el valor NULL en la columna 'numDepto', tabla 'master.dbo.Empleado'. La columna no "
          "admite valores NULL. Error de INSERT.", 515, C.NOT_NULL, "23000", "a public T-SQL course",
          column="numDepto", object="master.dbo.Empleado"),
    _docs("Error de conversión al convertir el valor nvarchar 'Blando' al tipo de datos smallint.", 245, C.CONVERSION,
          "22018", "a public T-SQL course", key="Blando"),
    _docs("La transacción (id. de proceso 354) quedó en interbloqueo en bloqueo | búfer de comunicaciones recursos con "
          "otro proceso y fue elegida como sujeto del interbloqueo. Ejecute de nuevo la transacción.", 1205, C.DEADLOCK,
          "40001", "a public application's log", severity=13),
    _docs("Se denegó el permiso SELECT en el objeto 'Employee', base de datos 'JathTestDB', esquema 'HR'.", 229,
          C.PERMISSION, source="a public T-SQL course", object="HR.Employee"),
    _docs("Error de inicio de sesión del usuario 'siana'.", 18456, C.LOGIN, "28000", DOCS_ES),
    _docs("El nombre de columna 'VSBED' no es válido.", 207, C.MISSING_COLUMN, "42S22", "a public Power BI report",
          column="VSBED"),
]

OTHER_LANGUAGES = [
    _docs("NULL değeri 'DW.dim.X' tablosunun 'nome' sütununa eklemez; sütun null değerlere izin vermiyor. INSERT "
          "başarısız.", 515, C.NOT_NULL, "23000", SERENITY, column="nome", object="DW.dim.X"),
    _docs("一意インデックス 'IX_d' を含むオブジェクト 'dim.D' には重複するキー行を挿入できません。重複するキーの値は (7) です。",
          2601, C.UNIQUE, "23000", SERENITY, constraint="IX_d", object="dim.D", key="7"),
    _docs("L'istruzione INSERT è in conflitto con il vincolo FOREIGN KEY \"FK_x\". Il conflitto si è verificato nella "
          "tabella \"dbo.T\", column 'id' del database \"DW\".", 547, C.FOREIGN_KEY, "23000", SERENITY),
    _docs("Violation de la contrainte UNIQUE KEY « UQ_c ». Impossible d'insérer une clé en double dans l'objet « dim.D »"
          ". Valeur de clé dupliquée : (7).", 2627, C.UNIQUE, "23000", SERENITY, constraint="UQ_c"),
    _docs("A következő UNIQUE KEY korlátozás megsértése: „UQ_c”. Nem szúrható be duplikált kulcs a következő "
          "objektumba: „dim.D”. A duplikált kulcsérték (7).", 2627, C.UNIQUE, "23000", SERENITY, constraint="UQ_c",
          object="dim.D", key="7"),
    _docs("不能在具有唯一索引“IX_d”的对象“dim.D”中插入重复键的行。重复键值为 (7)。", 2601, C.UNIQUE, "23000", SERENITY, key="7"),
]

DRIVERS = [
    Real("github.com/matt-bertoncello/python-pyodbc-buildpack#1", "OperationalError: ('HYT00', '[HYT00] [unixODBC]"
         "[Microsoft][ODBC Driver 17 for SQL Server]Login timeout expired (0) (SQLDriverConnect)')", C.NETWORK,
         {"sqlstate": "HYT00", "number": None, "words": "Login timeout expired"}),
    Real(ODBC, f"OperationalError: ('HYT00', '[HYT00] {CLIENT}Query timeout expired (0) (SQLExecDirectW)')", C.TIMEOUT,
         {"sqlstate": "HYT00", "number": None, "severity": None}),
    Real(ODBC, f"OperationalError: ('08S01', '[08S01] {CLIENT}TCP Provider: Error code 0x2746 (10054) (SQLExecDirectW)"
         f"; [08S01] {CLIENT}Communication link failure (10054)')", C.NETWORK, {"number": 10054, "severity": None}),
    Real("learn.microsoft.com, Network-related errors", f"OperationalError: ('08001', '[08001] {CLIENT}Named Pipes "
         "Provider: Could not open a connection to SQL Server [53].  (53) (SQLDriverConnect)')", C.NETWORK,
         {"number": 53}),
    Real("learn.microsoft.com, error 121", f"OperationalError: ('08S01', '[08S01] {CLIENT}TCP Provider: The semaphore "
         "timeout period has expired. (121) (SQLExecDirectW)')", C.NETWORK, {"number": 121}),
    Real("learn.microsoft.com, DBNETLIB", "OperationalError: ('08001', '[08001] [Microsoft][ODBC SQL Server Driver]"
         "[DBNETLIB]SQL Server does not exist or access denied. (17) (SQLDriverConnect)')", C.NETWORK, {"number": 17}),
    Real("github.com/mkleehammer/pyodbc#554", "Error: ('HYC00', '[HYC00] [Microsoft][ODBC SQL Server Driver]Optional "
         "feature not implemented (0) (SQLBindParameter)')", C.DRIVER, {"sqlstate": "HYC00"}),
    Real("github.com/pallets-eco/flask-session#247", "sqlalchemy.exc.DBAPIError: (pyodbc.Error) ('HY104', '[HY104] "
         "[Microsoft][ODBC SQL Server Driver]Valeur de précision non valide (0) (SQLBindParameter)')\n[SQL: SELECT "
         "1 WHERE [x] = ?]\n[parameters: ('BASE TABLE', 'dbo')]\n(Background on this error at: "
         "https://sqlalche.me/e/20/dbapi)", C.DRIVER,
         {"sqlstate": "HY104", "words": "Valeur de précision non valide"}),
    Real("github.com/mkleehammer/pyodbc#1351", "Error: ('HY000', 'The driver did not supply an error!')", C.OTHER,
         {"words": "The driver did not supply an error!"}),
    Real("github.com/sqlalchemy/sqlalchemy#6073", "ProgrammingError: ('42000', '[42000] [Microsoft][ODBC Driver 17 for "
         "SQL Server][SQL Server]The server failed to resume the transaction. Desc:42b00000004. (3971) "
         "(SQLExecDirectW)')", C.OTHER, {"number": 3971}),
    Real("github.com/mkleehammer/pyodbc#636", "ProgrammingError: ('42000', '[42000] [Microsoft][ODBC Driver 17 for SQL "
         "Server][SQL Server]HdfsBridge::recordReaderFillBuffer - Unexpected error encountered filling record reader "
         "buffer: NumberFormatException: For input string: \"5,41E+18\" (107090) (SQLExecDirectW)')", C.OTHER,
         {"number": 107090}),
    Real("a public web application (pymssql)", "IntegrityError: (2627, b\"Violation of UNIQUE KEY constraint "
         "'unq_tch_ema'. Cannot insert duplicate key in object 'dbo.teacher'. The duplicate key value is "
         "(teacher6@gmail.com).DB-Lib error message 20018, severity 14:\\nGeneral SQL Server error: Check messages from "
         "the SQL Server\\n\")", C.UNIQUE,
         {"number": 2627, "severity": 14, "key": "teacher6@gmail.com", "constraint": "unq_tch_ema"}),
    Real("a public test of pymssql", "OperationalError: (20009, b'DB-Lib error message 20009, severity 9:\\nUnable to "
         "connect: Adaptive Server is unavailable or does not exist (db.example)\\n')", C.NETWORK,
         {"number": 20009, "severity": 9}),
    Real("github.com/pymssql/pymssql#1018", "OperationalError: (20003, b'DB-Lib error message 20003, severity 6:\\n"
         "Adaptive Server connection timed out (db.example:1433)\\n')", C.TIMEOUT, {"severity": 6}),
    Real("the form of python-tds, tds_base.IntegrityError", "pytds.tds_base.IntegrityError: Violation of PRIMARY KEY constraint "
         "'PK_a'. Cannot insert duplicate key in object 'dbo.a'. The duplicate key value is (1).", C.UNIQUE,
         {"number": None, "exception_type": "IntegrityError"}),
    Real("github.com/microsoft/SqlNexus#95", "System.Data.SqlClient.SqlException (0x80131904): Violation of PRIMARY KEY "
         "constraint 'PK__tbl_Anal__FEB4B4CB7B8E923A'. Cannot insert duplicate key in object 'dbo.tbl_AnalysisSummary'."
         " The duplicate key value is (f9bbf034-acfe-4c98-ad32-6010573afd3d).\r\nThe statement has been terminated.\r\n"
         "   at System.Data.SqlClient.SqlConnection.OnError(SqlException exception, Boolean breakConnection)\r\n"
         "ClientConnectionId:5d6a7cb1-1111-4c98-ad32-6010573afd3d\r\nError Number:2627,State:1,Class:14", C.UNIQUE,
         {"number": 2627, "severity": 14, "key": "f9bbf034-acfe-4c98-ad32-6010573afd3d"}),
    Real("a public support article", "java.sql.SQLException: com.microsoft.sqlserver.jdbc.SQLServerException: Login "
         "failed for user 'xxxxxx'. ClientConnectionId:0a1b2c3d-1111-4c98-ad32-6010573afd3d", C.LOGIN, {"number": None}),
    Real("the form of docs.spring.io, SQLException translation", "UncategorizedSQLException: uncategorized SQLException; SQL state "
         "[S0001]; error code [1205]; Transaction (Process ID 60) was deadlocked", C.DEADLOCK,
         {"number": 1205, "sqlstate": "S0001"}),
    Real("learn.microsoft.com, SSMS's box", "Falha de logon do usuário 'NT AUTHORITY\\ANONYMOUS LOGON'. (Microsoft SQL "
         "Server, Erro: 18456)", C.LOGIN, {"number": 18456}),
]
# fmt: on

REAL = [*ENGLISH, *PORTUGUESE, *SPANISH, *OTHER_LANGUAGES, *DRIVERS]
