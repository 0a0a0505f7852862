-- DW_ECOMMERCE, schema ctl: one row per pipeline. Written by the runner and by people; the portal reads.

IF SCHEMA_ID(N'ctl') IS NULL EXEC (N'CREATE SCHEMA ctl AUTHORIZATION dbo;');
GO

IF OBJECT_ID(N'ctl.etl_control', N'U') IS NULL
BEGIN
    CREATE TABLE ctl.etl_control
    (
        entity_name          VARCHAR(100) NOT NULL,
        source_table         VARCHAR(200) NOT NULL,  -- schema.table in ECOMMERCE_OLTP, typed by a person
        target_table         VARCHAR(200) NOT NULL,  -- schema.table in DW_ECOMMERCE, typed by a person
        source_pk_column     VARCHAR(128) NOT NULL,
        watermark_updated_at DATETIME2(0) NOT NULL CONSTRAINT DF_etl_control_watermark_updated_at DEFAULT ('1900-01-01'),
        watermark_id         BIGINT       NOT NULL CONSTRAINT DF_etl_control_watermark_id DEFAULT (0),
        cutoff_minutes       INT          NOT NULL CONSTRAINT DF_etl_control_cutoff_minutes DEFAULT (2),
        batch_size           INT          NOT NULL CONSTRAINT DF_etl_control_batch_size DEFAULT (1000),
        is_active            BIT          NOT NULL CONSTRAINT DF_etl_control_is_active DEFAULT (1),
        last_run_id          BIGINT       NULL,
        last_status          VARCHAR(20)  NULL,      -- success, failed, partial
        last_success_at      DATETIME2(0) NULL,
        created_at           DATETIME2(0) NOT NULL,
        updated_at           DATETIME2(0) NOT NULL,
        CONSTRAINT PK_etl_control PRIMARY KEY CLUSTERED (entity_name),
        CONSTRAINT CK_etl_control_cutoff_minutes CHECK (cutoff_minutes BETWEEN 0 AND 1440),
        CONSTRAINT CK_etl_control_batch_size CHECK (batch_size BETWEEN 1 AND 100000)
    );

    CREATE INDEX IX_etl_control_active ON ctl.etl_control (is_active, entity_name)
        INCLUDE (watermark_updated_at, watermark_id, batch_size);
END;
GO
