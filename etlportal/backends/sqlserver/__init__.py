"""SQL Server through mssql-django: our connection string, our session, and a driver also where none is installed."""
