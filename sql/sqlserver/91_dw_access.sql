-- DW_ECOMMERCE: what the portal's login may do. VIEW SERVER STATE, for the snapshot of sessions, is
-- granted once per server (see 90_oltp_access.sql).

IF DATABASE_PRINCIPAL_ID(N'etl_monitor') IS NULL CREATE USER etl_monitor FOR LOGIN etl_monitor;
GO

GRANT SELECT ON SCHEMA::ctl TO etl_monitor;
GRANT SELECT ON SCHEMA::audit TO etl_monitor;
GRANT SELECT ON SCHEMA::dim TO etl_monitor;
GRANT SELECT ON SCHEMA::fact TO etl_monitor;
GRANT EXECUTE ON audit.sp_capture_connection_snapshot TO etl_monitor;
GRANT EXECUTE ON audit.sp_connection_audit_cleanup TO etl_monitor;
GO
