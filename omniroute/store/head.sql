CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE requests (
    id TEXT NOT NULL,
    started_ms BIGINT NOT NULL,
    worker BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    client_format TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    provider TEXT NOT NULL,
    connection TEXT NOT NULL,
    requested_model TEXT NOT NULL,
    model TEXT NOT NULL,
    stream BIGINT NOT NULL,
    status BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    error TEXT NOT NULL,
    bytes_in BIGINT NOT NULL,
    bytes_out BIGINT NOT NULL,
    connect_us BIGINT NOT NULL,
    first_byte_us BIGINT NOT NULL,
    total_us BIGINT NOT NULL,
    overhead_us BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    usage_source TEXT NOT NULL,
    cost_microusd BIGINT NOT NULL, tier TEXT DEFAULT '' NOT NULL, combo TEXT DEFAULT '' NOT NULL, cache TEXT DEFAULT '' NOT NULL, session TEXT DEFAULT '' NOT NULL, queue_us BIGINT DEFAULT '0' NOT NULL, beyond_microusd BIGINT DEFAULT '0' NOT NULL, tried TEXT DEFAULT '[]' NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX requests_by_time ON requests (started_ms);
CREATE INDEX requests_by_key ON requests (key_id, started_ms);
CREATE TABLE client_keys (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    created_ms BIGINT NOT NULL,
    revoked_ms BIGINT,
    PRIMARY KEY (id),
    UNIQUE (digest)
);
CREATE TABLE meta (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
);
INSERT INTO alembic_version (version_num) VALUES ('0002');
