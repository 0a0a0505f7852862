-- Permissions of the demo's ETL in the databases of compose.yaml. It is also the shop, so it writes to both databases.
-- (VIEW DEFINITION: to read the extended property of docker/databases.sql.)

USE ECOMMERCE_OLTP;
IF DATABASE_PRINCIPAL_ID(N'etl_runner') IS NULL CREATE USER etl_runner FOR LOGIN etl_runner;
ALTER ROLE db_datareader ADD MEMBER etl_runner;
ALTER ROLE db_datawriter ADD MEMBER etl_runner;
GRANT VIEW DEFINITION TO etl_runner;
GO

USE DW_ECOMMERCE;
IF DATABASE_PRINCIPAL_ID(N'etl_runner') IS NULL CREATE USER etl_runner FOR LOGIN etl_runner;
ALTER ROLE db_datareader ADD MEMBER etl_runner;
ALTER ROLE db_datawriter ADD MEMBER etl_runner;
GRANT EXECUTE ON SCHEMA::audit TO etl_runner;
GRANT VIEW DEFINITION TO etl_runner;
GO
