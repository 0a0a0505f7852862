-- What the demo's ETL may do in the trial's databases. It plays the shop too, so it writes to both.
-- (VIEW DEFINITION: to see the mark of docker/databases.sql.)

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
