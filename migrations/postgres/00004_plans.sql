-- +goose Up
-- A statement may be planned while the table is empty, and the plan is kept. Every index with the id is then as good as the
-- primary key, and to find a task by its id in one that begins with the owner is to read all of it. The two collations compare
-- alike, but an index of one does not serve who looks in the other: lists name POSIX. The strongest lock comes first: nodes at
-- work would hold a weaker one while they wait for what it keeps.
DROP INDEX mcp_task_owner;
CREATE INDEX mcp_task_owner ON mcp_task (owner, id COLLATE "POSIX");

-- A claim writes a token and a node into the task. With half of the page kept free a quarter of the claims found no room there,
-- and went to every index.
ALTER TABLE mcp_task SET (fillfactor = 40);

-- +goose Down
DROP INDEX mcp_task_owner;
CREATE INDEX mcp_task_owner ON mcp_task (owner, id);
ALTER TABLE mcp_task SET (fillfactor = 50);
