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
    cost_microusd BIGINT NOT NULL, tier TEXT DEFAULT '' NOT NULL, combo TEXT DEFAULT '' NOT NULL, cache TEXT DEFAULT '' NOT NULL, session TEXT DEFAULT '' NOT NULL, queue_us BIGINT DEFAULT '0' NOT NULL, beyond_microusd BIGINT DEFAULT '0' NOT NULL, tried TEXT DEFAULT '[]' NOT NULL, guard TEXT DEFAULT '' NOT NULL, slice_id BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX requests_by_time ON requests (started_ms);
CREATE TABLE meta (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE slices (
    id INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    connection TEXT NOT NULL,
    model TEXT NOT NULL,
    combo TEXT NOT NULL,
    status_class BIGINT NOT NULL,
    cache TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (key_id, provider, connection, model, combo, status_class, cache)
);
CREATE INDEX requests_by_slice ON requests (slice_id, started_ms);
CREATE INDEX requests_failed ON requests (started_ms, slice_id, status, error) WHERE status >= 400 OR error <> '';
CREATE TABLE rollup_hours (
    from_ms BIGINT NOT NULL,
    slice_id BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost_microusd BIGINT NOT NULL,
    total_us BIGINT NOT NULL,
    first_byte_us BIGINT NOT NULL,
    overhead_us BIGINT NOT NULL,
    cost_max_microusd BIGINT NOT NULL,
    total_max_us BIGINT NOT NULL,
    cost_min_microusd BIGINT NOT NULL,
    total_histogram BLOB NOT NULL,
    first_byte_histogram BLOB NOT NULL,
    overhead_histogram BLOB NOT NULL,
    PRIMARY KEY (from_ms, slice_id)
)
 WITHOUT ROWID
;
CREATE TABLE rollup_days (
    from_ms BIGINT NOT NULL,
    slice_id BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost_microusd BIGINT NOT NULL,
    total_us BIGINT NOT NULL,
    first_byte_us BIGINT NOT NULL,
    overhead_us BIGINT NOT NULL,
    cost_max_microusd BIGINT NOT NULL,
    total_max_us BIGINT NOT NULL,
    cost_min_microusd BIGINT NOT NULL,
    total_histogram BLOB NOT NULL,
    first_byte_histogram BLOB NOT NULL,
    overhead_histogram BLOB NOT NULL,
    PRIMARY KEY (from_ms, slice_id)
)
 WITHOUT ROWID
;
CREATE TABLE bodies (
    request_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    side TEXT NOT NULL,
    direction TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    size BIGINT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (request_id, attempt, side, direction)
);
CREATE INDEX bodies_by_time ON bodies (at_ms);
CREATE TABLE proxy_log (
    id INTEGER NOT NULL,
    at_ms BIGINT NOT NULL,
    proxy TEXT NOT NULL,
    target TEXT NOT NULL,
    level TEXT NOT NULL,
    provider TEXT NOT NULL,
    connection TEXT NOT NULL,
    outcome TEXT NOT NULL,
    error TEXT NOT NULL,
    took_us BIGINT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX proxy_log_by_time ON proxy_log (at_ms);
CREATE TABLE entities (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    version BIGINT NOT NULL,
    position BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE TABLE audit (
    id INTEGER NOT NULL,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    route TEXT NOT NULL,
    entity TEXT NOT NULL,
    "before" TEXT NOT NULL,
    "after" TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX audit_by_time ON audit (at_ms);
CREATE TABLE admin_keys (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    scopes TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    revoked_ms BIGINT,
    last_used_ms BIGINT,
    PRIMARY KEY (id),
    UNIQUE (digest)
);
CREATE TABLE sessions (
    digest BLOB NOT NULL,
    signed_in_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    ends_ms BIGINT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    revoked_ms BIGINT,
    PRIMARY KEY (digest)
);
CREATE TABLE "client_keys" (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    digest BLOB,
    created_ms BIGINT NOT NULL,
    revoked_ms BIGINT,
    settings TEXT DEFAULT '{}' NOT NULL,
    version BIGINT DEFAULT '1' NOT NULL,
    previous_digest BLOB,
    previous_until_ms BIGINT,
    PRIMARY KEY (id),
    UNIQUE (digest)
);
INSERT INTO alembic_version (version_num) VALUES ('0003');
