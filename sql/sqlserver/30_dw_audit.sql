-- DW_ECOMMERCE, schema audit: what ran, and who was connected. Written by the runner; the portal reads.

IF SCHEMA_ID(N'audit') IS NULL EXEC (N'CREATE SCHEMA audit AUTHORIZATION dbo;');
GO

-- One row per execution of the runner.
IF OBJECT_ID(N'audit.etl_run', N'U') IS NULL
BEGIN
    CREATE TABLE audit.etl_run
    (
        run_id             BIGINT IDENTITY(1, 1) NOT NULL,
        entities_requested VARCHAR(500)  NOT NULL,   -- separated by commas
        started_by         VARCHAR(128)  NOT NULL,   -- operating-system user of the runner
        started_at         DATETIME2(0)  NOT NULL,
        finished_at        DATETIME2(0)  NULL,
        status             VARCHAR(20)   NOT NULL CONSTRAINT DF_etl_run_status DEFAULT ('running'),
        entities_succeeded INT           NOT NULL,
        entities_failed    INT           NOT NULL,
        error_message      VARCHAR(4000) NULL,       -- of the failed entities, joined by ' | '
        created_at         DATETIME2(0)  NOT NULL,
        CONSTRAINT PK_etl_run PRIMARY KEY CLUSTERED (run_id),
        CONSTRAINT CK_etl_run_entities_succeeded CHECK (entities_succeeded >= 0),
        CONSTRAINT CK_etl_run_entities_failed CHECK (entities_failed >= 0)
    );

    CREATE INDEX IX_etl_run_started_at ON audit.etl_run (started_at DESC)
        INCLUDE (status, finished_at, entities_succeeded, entities_failed);
END;
GO

-- One row per pipeline per execution. There is deliberately no index on entity_started_at, entity_name
-- or status: a window of time is read through its runs.
IF OBJECT_ID(N'audit.etl_run_entity', N'U') IS NULL
BEGIN
    CREATE TABLE audit.etl_run_entity
    (
        run_entity_id             BIGINT IDENTITY(1, 1) NOT NULL,
        run_id                    BIGINT        NOT NULL,
        entity_name               VARCHAR(100)  NOT NULL,
        entity_started_at         DATETIME2(0)  NOT NULL,
        entity_finished_at        DATETIME2(0)  NULL,
        status                    VARCHAR(20)   NOT NULL CONSTRAINT DF_etl_run_entity_status DEFAULT ('running'),
        extracted_count           INT           NOT NULL,  -- the counts stay 0 until the entity finishes
        upserted_count            INT           NOT NULL,
        soft_deleted_count        INT           NOT NULL,
        watermark_from_updated_at DATETIME2(0)  NULL,
        watermark_from_id         BIGINT        NULL,
        watermark_to_updated_at   DATETIME2(0)  NULL,
        watermark_to_id           BIGINT        NULL,
        error_message             VARCHAR(4000) NULL,      -- ExceptionType: driver text
        created_at                DATETIME2(0)  NOT NULL,
        updated_at                DATETIME2(0)  NOT NULL,
        CONSTRAINT PK_etl_run_entity PRIMARY KEY CLUSTERED (run_entity_id),
        CONSTRAINT UQ_etl_run_entity_run UNIQUE (run_id, entity_name),
        CONSTRAINT FK_etl_run_entity_run FOREIGN KEY (run_id) REFERENCES audit.etl_run (run_id),
        CONSTRAINT CK_etl_run_entity_extracted CHECK (extracted_count >= 0),
        CONSTRAINT CK_etl_run_entity_upserted CHECK (upserted_count >= 0),
        CONSTRAINT CK_etl_run_entity_soft_deleted CHECK (soft_deleted_count >= 0)
    );

    CREATE INDEX IX_etl_run_entity_run ON audit.etl_run_entity (run_id, entity_name)
        INCLUDE (status, extracted_count, upserted_count, soft_deleted_count,
                 watermark_to_updated_at, watermark_to_id);
END;
GO

-- Samples of open sessions: one session seen by ten snapshots is ten rows. Failed logins are not in it.
IF OBJECT_ID(N'audit.connection_login_events', N'U') IS NULL
BEGIN
    CREATE TABLE audit.connection_login_events
    (
        connection_event_id BIGINT IDENTITY(1, 1) NOT NULL,
        event_time_utc      DATETIME2(3)  NOT NULL,
        captured_by         NVARCHAR(50)  NOT NULL
            CONSTRAINT DF_connection_login_events_captured_by DEFAULT (N'SNAPSHOT_DMV'),
        session_id          SMALLINT      NULL,
        login_name          SYSNAME       NULL,
        host_name           NVARCHAR(128) NULL,
        program_name        NVARCHAR(256) NULL,
        database_name       SYSNAME       NULL,
        status              NVARCHAR(30)  NULL,
        login_time          DATETIME      NULL,      -- in the server's local time
        net_transport       NVARCHAR(40)  NULL,
        protocol_type       NVARCHAR(40)  NULL,
        client_net_address  VARCHAR(48)   NULL,
        client_tcp_port     INT           NULL,
        encrypt_option      NVARCHAR(10)  NULL,      -- TRUE, FALSE
        auth_scheme         NVARCHAR(60)  NULL,
        CONSTRAINT PK_connection_login_events PRIMARY KEY CLUSTERED (connection_event_id)
    );

    CREATE INDEX IX_connection_login_events_time ON audit.connection_login_events (event_time_utc DESC)
        INCLUDE (login_name, client_net_address, program_name, host_name, database_name);
END;
GO
