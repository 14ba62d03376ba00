-- +goose Up
-- JSON is kept as text: the bytes come back as they were sent. Durations are milliseconds,
-- times microseconds since 1970, UTC.

CREATE TABLE mcp_task (
    id              text PRIMARY KEY,
    owner           text    NOT NULL,
    tool            text    NOT NULL,
    queue           text    NOT NULL,
    priority        integer NOT NULL,
    args            text,
    request_meta    text,
    trace_context   text,
    status          text    NOT NULL
                    CHECK (status IN ('working', 'input_required', 'completed', 'failed', 'cancelled')),
    status_message  text    NOT NULL DEFAULT '',
    progress        real    NOT NULL DEFAULT 0,
    total           real    NOT NULL DEFAULT 0,
    outcome         text,                              -- a CallToolResult, or of a failed task the JSON-RPC error
    is_error        integer NOT NULL DEFAULT 0,
    ttl             integer NOT NULL,
    poll_interval   integer NOT NULL,
    job_id          integer,                           -- the one job that may run the task; null unless working
    run_token       text,                              -- the fence of the current run
    run_seq         integer NOT NULL DEFAULT 0,
    run_node        text,                              -- the node that claimed it last
    run_at          integer,                           -- and when
    attempts        integer NOT NULL DEFAULT 0,        -- errors of the handler so far
    max_attempts    integer NOT NULL,
    recoveries      integer NOT NULL DEFAULT 0,        -- deaths of its workers in a row
    run_timeout     integer NOT NULL,
    deadline_at     integer,
    idempotency_key text,
    args_hash       blob,
    retry_of        text,
    created_at      integer NOT NULL,
    updated_at      integer NOT NULL,
    finished_at     integer,
    expires_at      integer,
    CHECK (job_id IS NULL OR status = 'working'),
    CHECK ((finished_at IS NULL) = (status IN ('working', 'input_required')))
) WITHOUT ROWID;

CREATE INDEX mcp_task_owner ON mcp_task (owner, id); -- ids are in the order of creation
CREATE INDEX mcp_task_expires ON mcp_task (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX mcp_task_live ON mcp_task (status, queue, id) WHERE status IN ('working', 'input_required');
CREATE INDEX mcp_task_deadline ON mcp_task (deadline_at) WHERE deadline_at IS NOT NULL AND finished_at IS NULL;
CREATE UNIQUE INDEX mcp_task_idempotency ON mcp_task (owner, tool, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE mcp_task_input (
    task_id     text    NOT NULL REFERENCES mcp_task ON DELETE CASCADE,
    key         text    NOT NULL,
    method      text    NOT NULL,
    params      text    NOT NULL,
    response    text,
    asked_at    integer NOT NULL,
    deadline_at integer NOT NULL,
    answered_at integer,
    PRIMARY KEY (task_id, key)
);

CREATE INDEX mcp_task_input_open ON mcp_task_input (deadline_at) WHERE answered_at IS NULL;

CREATE TABLE mcp_task_step (
    task_id  text    NOT NULL REFERENCES mcp_task ON DELETE CASCADE,
    key      text    NOT NULL,
    result   text    NOT NULL,
    node     text    NOT NULL, -- of the run that recorded it
    run_seq  integer NOT NULL,
    began_at integer NOT NULL,
    ended_at integer NOT NULL,
    PRIMARY KEY (task_id, key)
);

CREATE TABLE mcp_task_event (
    id      integer PRIMARY KEY,
    task_id text    NOT NULL REFERENCES mcp_task ON DELETE CASCADE,
    at      integer NOT NULL,
    kind    text    NOT NULL,
    run_seq integer NOT NULL,
    node    text    NOT NULL,
    detail  text    NOT NULL
);

CREATE INDEX mcp_task_event_task ON mcp_task_event (task_id, id);

CREATE TABLE mcp_node (
    id      text PRIMARY KEY,
    host    text    NOT NULL,
    tools   text    NOT NULL, -- JSON arrays
    queues  text    NOT NULL,
    beat_at integer NOT NULL
);

-- +goose Down
DROP TABLE mcp_node;
DROP TABLE mcp_task_event;
DROP TABLE mcp_task_step;
DROP TABLE mcp_task_input;
DROP TABLE mcp_task;
