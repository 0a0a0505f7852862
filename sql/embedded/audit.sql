-- Schema audit for SQLite, written by tools/embedded_schema.py from sql/sqlserver/. Do not edit.

CREATE TABLE IF NOT EXISTS "etl_run" (
  "run_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "entities_requested" VARCHAR(500) COLLATE NOCASE NOT NULL CHECK (length("entities_requested") <= 500),
  "started_by" VARCHAR(128) COLLATE NOCASE NOT NULL CHECK (length("started_by") <= 128),
  "started_at" TEXT NOT NULL CHECK ("started_at" IS strftime('%Y-%m-%d %H:%M:%S', "started_at")),
  "finished_at" TEXT CHECK ("finished_at" IS strftime('%Y-%m-%d %H:%M:%S', "finished_at")),
  "status" VARCHAR(20) COLLATE NOCASE NOT NULL DEFAULT 'running' CHECK (length("status") <= 20),
  "entities_succeeded" INT NOT NULL,
  "entities_failed" INT NOT NULL,
  "error_message" VARCHAR(4000) COLLATE NOCASE CHECK (length("error_message") <= 4000),
  "created_at" TEXT NOT NULL CHECK ("created_at" IS strftime('%Y-%m-%d %H:%M:%S', "created_at")),
  CHECK (entities_succeeded >= 0),
  CHECK (entities_failed >= 0)
);

CREATE INDEX IF NOT EXISTS "IX_etl_run_started_at" ON "etl_run" ("started_at" DESC, "status", "finished_at", "entities_succeeded", "entities_failed");

CREATE TABLE IF NOT EXISTS "etl_run_entity" (
  "run_entity_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "run_id" BIGINT NOT NULL,
  "entity_name" VARCHAR(100) COLLATE NOCASE NOT NULL CHECK (length("entity_name") <= 100),
  "entity_started_at" TEXT NOT NULL CHECK ("entity_started_at" IS strftime('%Y-%m-%d %H:%M:%S', "entity_started_at")),
  "entity_finished_at" TEXT CHECK ("entity_finished_at" IS strftime('%Y-%m-%d %H:%M:%S', "entity_finished_at")),
  "status" VARCHAR(20) COLLATE NOCASE NOT NULL DEFAULT 'running' CHECK (length("status") <= 20),
  "extracted_count" INT NOT NULL,
  "upserted_count" INT NOT NULL,
  "soft_deleted_count" INT NOT NULL,
  "watermark_from_updated_at" TEXT CHECK ("watermark_from_updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "watermark_from_updated_at")),
  "watermark_from_id" BIGINT,
  "watermark_to_updated_at" TEXT CHECK ("watermark_to_updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "watermark_to_updated_at")),
  "watermark_to_id" BIGINT,
  "error_message" VARCHAR(4000) COLLATE NOCASE CHECK (length("error_message") <= 4000),
  "created_at" TEXT NOT NULL CHECK ("created_at" IS strftime('%Y-%m-%d %H:%M:%S', "created_at")),
  "updated_at" TEXT NOT NULL CHECK ("updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "updated_at")),
  UNIQUE ("run_id", "entity_name"),
  CHECK (extracted_count >= 0),
  CHECK (upserted_count >= 0),
  CHECK (soft_deleted_count >= 0),
  FOREIGN KEY ("run_id") REFERENCES "etl_run" ("run_id")
);

CREATE INDEX IF NOT EXISTS "IX_etl_run_entity_run" ON "etl_run_entity" ("run_id", "entity_name", "status", "extracted_count", "upserted_count", "soft_deleted_count", "watermark_to_updated_at", "watermark_to_id");

CREATE TABLE IF NOT EXISTS "connection_login_events" (
  "connection_event_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "event_time_utc" TEXT NOT NULL CHECK ("event_time_utc" IS strftime('%Y-%m-%d %H:%M:%f', "event_time_utc")),
  "captured_by" NVARCHAR(50) COLLATE NOCASE NOT NULL DEFAULT 'SNAPSHOT_DMV' CHECK (length("captured_by") <= 50),
  "session_id" SMALLINT,
  "login_name" NVARCHAR(128) COLLATE NOCASE CHECK (length("login_name") <= 128),
  "host_name" NVARCHAR(128) COLLATE NOCASE CHECK (length("host_name") <= 128),
  "program_name" NVARCHAR(256) COLLATE NOCASE CHECK (length("program_name") <= 256),
  "database_name" NVARCHAR(128) COLLATE NOCASE CHECK (length("database_name") <= 128),
  "status" NVARCHAR(30) COLLATE NOCASE CHECK (length("status") <= 30),
  "login_time" TEXT CHECK ("login_time" IS strftime('%Y-%m-%d %H:%M:%f', "login_time")),
  "net_transport" NVARCHAR(40) COLLATE NOCASE CHECK (length("net_transport") <= 40),
  "protocol_type" NVARCHAR(40) COLLATE NOCASE CHECK (length("protocol_type") <= 40),
  "client_net_address" VARCHAR(48) COLLATE NOCASE CHECK (length("client_net_address") <= 48),
  "client_tcp_port" INT,
  "encrypt_option" NVARCHAR(10) COLLATE NOCASE CHECK (length("encrypt_option") <= 10),
  "auth_scheme" NVARCHAR(60) COLLATE NOCASE CHECK (length("auth_scheme") <= 60)
);

CREATE INDEX IF NOT EXISTS "IX_connection_login_events_time" ON "connection_login_events" ("event_time_utc" DESC, "login_name", "client_net_address", "program_name", "host_name", "database_name");
