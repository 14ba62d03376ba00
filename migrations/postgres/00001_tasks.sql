-- +goose Up
-- JSON is kept as text: the bytes come back as they were sent, and \u0000, which jsonb
-- refuses, is JSON like any other. Durations are milliseconds. Ids compare bytewise.

CREATE TABLE mcp_task (
    id              text COLLATE "C" PRIMARY KEY,
    owner           text COLLATE "C" NOT NULL,
    tool            text        NOT NULL,
    queue           text        NOT NULL,
    priority        smallint    NOT NULL,
    args            text,
    request_meta    text,
    trace_context   text,
    status          text COLLATE "C" NOT NULL
                    CHECK (status IN ('working', 'input_required', 'completed', 'failed', 'cancelled')),
    status_message  text        NOT NULL DEFAULT '',
    progress        double precision NOT NULL DEFAULT 0,
    total           double precision NOT NULL DEFAULT 0,
    outcome         text,                                -- a CallToolResult, or of a failed task the JSON-RPC error
    is_error        boolean     NOT NULL DEFAULT false,
    ttl             bigint      NOT NULL,
    poll_interval   bigint      NOT NULL,
    job_id          bigint,                              -- the one job that may run the task; null unless working
    run_token       text COLLATE "C",                    -- the fence of the current run
    run_seq         integer     NOT NULL DEFAULT 0,
    run_node        text,                                -- the node that claimed it last
    run_at          timestamptz,                         -- and when
    attempts        integer     NOT NULL DEFAULT 0,      -- errors of the handler so far
    max_attempts    integer     NOT NULL,
    recoveries      integer     NOT NULL DEFAULT 0,      -- deaths of its workers in a row
    run_timeout     bigint      NOT NULL,
    deadline_at     timestamptz,
    idempotency_key text,
    args_hash       bytea,
    retry_of        text COLLATE "C",
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    finished_at     timestamptz,
    expires_at      timestamptz,
    CHECK (job_id IS NULL OR status = 'working'),
    CHECK ((finished_at IS NULL) = (status IN ('working', 'input_required')))
) WITH (fillfactor = 50);

CREATE INDEX mcp_task_owner ON mcp_task (owner, id); -- ids are in the order of creation
CREATE INDEX mcp_task_expires ON mcp_task (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX mcp_task_live ON mcp_task (status, queue, id) WHERE status IN ('working', 'input_required');
CREATE INDEX mcp_task_deadline ON mcp_task (deadline_at) WHERE deadline_at IS NOT NULL AND finished_at IS NULL;
CREATE UNIQUE INDEX mcp_task_idempotency ON mcp_task (owner, tool, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE mcp_task_input (
    task_id     text COLLATE "C" NOT NULL REFERENCES mcp_task ON DELETE CASCADE,
    key         text COLLATE "C" NOT NULL,
    method      text        NOT NULL,
    params      text        NOT NULL,
    response    text,
    asked_at    timestamptz NOT NULL,
    deadline_at timestamptz NOT NULL,
    answered_at timestamptz,
    PRIMARY KEY (task_id, key)
);

CREATE INDEX mcp_task_input_open ON mcp_task_input (deadline_at) WHERE answered_at IS NULL;

CREATE TABLE mcp_task_step (
    task_id  text COLLATE "C" NOT NULL REFERENCES mcp_task ON DELETE CASCADE,
    key      text COLLATE "C" NOT NULL,
    result   text        NOT NULL,
    node     text        NOT NULL, -- of the run that recorded it
    run_seq  integer     NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    PRIMARY KEY (task_id, key)
);

CREATE TABLE mcp_task_event (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id text COLLATE "C" NOT NULL REFERENCES mcp_task ON DELETE CASCADE,
    at      timestamptz NOT NULL,
    kind    text        NOT NULL,
    run_seq integer     NOT NULL,
    node    text        NOT NULL,
    detail  text        NOT NULL
);

CREATE INDEX mcp_task_event_task ON mcp_task_event (task_id, id);

CREATE TABLE mcp_node (
    id      text COLLATE "C" PRIMARY KEY,
    host    text        NOT NULL,
    tools   text[]      NOT NULL,
    queues  text[]      NOT NULL,
    beat_at timestamptz NOT NULL
);

-- lz4 more than doubles the writes of large payloads, where the server was built with it.
-- +goose StatementBegin
DO $$
BEGIN
    ALTER TABLE mcp_task ALTER COLUMN args SET COMPRESSION lz4, ALTER COLUMN outcome SET COMPRESSION lz4;
    ALTER TABLE mcp_task_step ALTER COLUMN result SET COMPRESSION lz4;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'lz4 is not available: %', SQLERRM;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE mcp_node, mcp_task_event, mcp_task_step, mcp_task_input, mcp_task;
