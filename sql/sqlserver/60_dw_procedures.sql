-- DW_ECOMMERCE: the two procedures over audit.connection_login_events.

-- One row for every user session open at this moment. The caller needs VIEW SERVER STATE (on Azure SQL
-- VIEW DATABASE STATE), or it sees only its own session.
CREATE OR ALTER PROCEDURE audit.sp_capture_connection_snapshot
AS
BEGIN
    SET NOCOUNT ON;

    INSERT INTO audit.connection_login_events
        (event_time_utc, captured_by, session_id, login_name, host_name, program_name, database_name, status,
         login_time, net_transport, protocol_type, client_net_address, client_tcp_port, encrypt_option, auth_scheme)
    SELECT SYSUTCDATETIME(), N'SNAPSHOT_DMV', s.session_id, s.login_name, s.host_name, s.program_name,
           DB_NAME(s.database_id), s.status, s.login_time, c.net_transport, c.protocol_type, c.client_net_address,
           c.client_tcp_port, c.encrypt_option, c.auth_scheme
    FROM sys.dm_exec_sessions AS s
    LEFT JOIN sys.dm_exec_connections AS c
        ON c.session_id = s.session_id AND c.parent_connection_id IS NULL  -- one row per session, with MARS too
    WHERE s.is_user_process = 1;
END;
GO

-- Deletes what is older than @retention_days, in small transactions so that nobody waits for it.
CREATE OR ALTER PROCEDURE audit.sp_connection_audit_cleanup
    @retention_days INT = 30
AS
BEGIN
    SET NOCOUNT ON;

    IF @retention_days IS NULL OR @retention_days < 1
        THROW 50001, N'@retention_days must be 1 or more.', 1;

    DECLARE @before DATETIME2(3) = DATEADD(DAY, -@retention_days, SYSUTCDATETIME());
    DECLARE @deleted INT = 1;

    WHILE @deleted > 0
    BEGIN
        DELETE TOP (5000) FROM audit.connection_login_events WHERE event_time_utc < @before;
        SET @deleted = @@ROWCOUNT;
    END;
END;
GO
