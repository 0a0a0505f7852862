"""SQL Server through mssql-django, with our connection string and session."""
