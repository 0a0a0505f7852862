-- The databases and logins of compose.yaml, run by docker/init-sqlserver.sh. sqlcmd replaces $(...) from the environment.
-- For your own server see docs/sqlserver.md: it has the databases already and needs no demo ETL.

IF DB_ID(N'ECOMMERCE_OLTP') IS NULL CREATE DATABASE ECOMMERCE_OLTP;
GO
IF DB_ID(N'DW_ECOMMERCE') IS NULL CREATE DATABASE DW_ECOMMERCE;
GO

-- The demo's ETL writes only into databases with this extended property.
USE ECOMMERCE_OLTP;
IF NOT EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'etlportal_demo')
    EXEC sys.sp_addextendedproperty @name = N'etlportal_demo', @value = N'yes';
GO
USE DW_ECOMMERCE;
IF NOT EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'etlportal_demo')
    EXEC sys.sp_addextendedproperty @name = N'etlportal_demo', @value = N'yes';
GO

USE master;
IF SUSER_ID(N'etl_monitor') IS NULL CREATE LOGIN etl_monitor WITH PASSWORD = N'$(MONITOR_PASSWORD)';
IF SUSER_ID(N'etl_runner') IS NULL CREATE LOGIN etl_runner WITH PASSWORD = N'$(RUNNER_PASSWORD)';
GO
GRANT VIEW SERVER STATE TO etl_monitor;
GRANT VIEW SERVER STATE TO etl_runner;
GO
