-- ECOMMERCE_OLTP: what the portal's login may do. The login is made once per server, by a DBA:
--   CREATE LOGIN etl_monitor WITH PASSWORD = '...';
--   GRANT VIEW SERVER STATE TO etl_monitor;

IF DATABASE_PRINCIPAL_ID(N'etl_monitor') IS NULL CREATE USER etl_monitor FOR LOGIN etl_monitor;
GO

GRANT SELECT ON SCHEMA::core TO etl_monitor;
GO
