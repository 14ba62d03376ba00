-- +goose Up
-- A queue's tables are small and change all the time, and Postgres's defaults wait until a fifth of a table is dead: of a
-- million tasks that are kept for a day two hundred thousand rows, through which every claim and sweep must find its way.
-- ALTER TABLE … SET takes SHARE UPDATE EXCLUSIVE, which reads and writes do not wait for.

-- A task is inserted once and updated three times or more, so that its table has more dead rows than live ones after
-- each turnover of its live part: vacuum at 1 % and a thousand rows, analyze at 2 %, since the planner must know how few
-- tasks are live. No pause between pages: a vacuum that lags behind costs more than one that reads.
ALTER TABLE mcp_task SET (
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);

-- Written once and deleted with their task, by the thousand: dead rows come in bursts, and index pages are free for new
-- rows only after a vacuum.
ALTER TABLE mcp_task_step SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05
);
ALTER TABLE mcp_task_event SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05
);

-- A question is updated when it is answered or expires, which also takes it out of the index of open ones that each
-- sweep reads.
ALTER TABLE mcp_task_input SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
    autovacuum_analyze_scale_factor = 0.05
);

-- A row a node, updated at every beat: a hundred nodes kill a thousand row versions in less than a minute. By count, not
-- by share; and room in the page lets a beat stay off the index until then.
ALTER TABLE mcp_node SET (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 10000
);

-- +goose Down
ALTER TABLE mcp_node RESET (
    fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_analyze_scale_factor, autovacuum_analyze_threshold
);
ALTER TABLE mcp_task_input RESET (
    autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_analyze_scale_factor
);
ALTER TABLE mcp_task_event RESET (
    autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_analyze_scale_factor
);
ALTER TABLE mcp_task_step RESET (
    autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_analyze_scale_factor
);
ALTER TABLE mcp_task RESET (
    autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_analyze_scale_factor, autovacuum_analyze_threshold,
    autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_cost_delay
);
