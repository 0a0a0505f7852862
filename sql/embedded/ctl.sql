-- Schema ctl for SQLite, written by tools/embedded_schema.py from sql/sqlserver/. Do not edit.

CREATE TABLE IF NOT EXISTS "etl_control" (
  "entity_name" VARCHAR(100) COLLATE NOCASE NOT NULL CHECK (length("entity_name") <= 100),
  "source_table" VARCHAR(200) COLLATE NOCASE NOT NULL CHECK (length("source_table") <= 200),
  "target_table" VARCHAR(200) COLLATE NOCASE NOT NULL CHECK (length("target_table") <= 200),
  "source_pk_column" VARCHAR(128) COLLATE NOCASE NOT NULL CHECK (length("source_pk_column") <= 128),
  "watermark_updated_at" TEXT NOT NULL DEFAULT '1900-01-01 00:00:00' CHECK ("watermark_updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "watermark_updated_at")),
  "watermark_id" BIGINT NOT NULL DEFAULT 0,
  "cutoff_minutes" INT NOT NULL DEFAULT 2,
  "batch_size" INT NOT NULL DEFAULT 1000,
  "is_active" BIT NOT NULL DEFAULT 1 CHECK ("is_active" IN (0, 1)),
  "last_run_id" BIGINT,
  "last_status" VARCHAR(20) COLLATE NOCASE CHECK (length("last_status") <= 20),
  "last_success_at" TEXT CHECK ("last_success_at" IS strftime('%Y-%m-%d %H:%M:%S', "last_success_at")),
  "created_at" TEXT NOT NULL CHECK ("created_at" IS strftime('%Y-%m-%d %H:%M:%S', "created_at")),
  "updated_at" TEXT NOT NULL CHECK ("updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "updated_at")),
  PRIMARY KEY ("entity_name"),
  CHECK (cutoff_minutes BETWEEN 0 AND 1440),
  CHECK (batch_size BETWEEN 1 AND 100000)
);

CREATE INDEX IF NOT EXISTS "IX_etl_control_active" ON "etl_control" ("is_active", "entity_name", "watermark_updated_at", "watermark_id", "batch_size");
