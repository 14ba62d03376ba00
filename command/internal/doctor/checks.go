package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/store"
)

// clock compares this machine's clock with the database's, which was read between before
// and after.
func (e *examination) clock(before, after, database time.Time) {
	var skew time.Duration // the least that explains the three times
	switch {
	case database.Before(before):
		skew = before.Sub(database)
	case database.After(after):
		skew = after.Sub(database)
	}
	if skew.Abs() <= e.MaxSkew {
		e.ok("clock", "this machine's clock and the database's differ by at most %s", max(skew.Abs(), after.Sub(before)).Round(time.Millisecond))
		return
	}
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	e.fault("clock",
		fmt.Sprintf("this machine's clock is %s %s the database's", skew.Abs().Round(time.Millisecond), direction),
		"set the clocks of both machines by NTP: deadlines, retries and expiry shift by the difference")
}

const connectionsRemedy = "make the nodes' pools smaller (pool_max_conns in DATABASE_URL; each node has three connections more), use PgBouncer (--poll-only), or raise max_connections"

func (e *examination) connections(c store.Connections) {
	if c.Max == 0 {
		e.ok("connections", "the database is a file")
		return
	}
	budget := c.Max - c.Reserved
	summary := fmt.Sprintf("%d of the server's %d connections are in use", c.Used, budget)
	if c.Used*100 > budget*e.MaxConnections {
		e.fault("connections", summary, connectionsRemedy)
		return
	}
	e.ok("connections", "%s", summary)
}

func (e *examination) nodes(s *store.Survey) {
	var dead []string
	for _, node := range s.Nodes {
		if node.Silent > e.Lease {
			dead = append(dead, fmt.Sprintf("node %s on %s: last heartbeat %s ago, %d jobs running there", node.ID, node.Host, node.Silent.Round(time.Second), node.Running))
		}
	}
	alive := len(s.Nodes) - len(dead)
	switch {
	case len(dead) > 0:
		e.fault("nodes", fmt.Sprintf("%d nodes have stopped sending heartbeats, %d are alive", len(dead), alive),
			fmt.Sprintf("if its process runs, look in its log for heartbeats that failed; if not, start another ('%s work'): living nodes run its tasks again", e.Program), dead...)
	case alive == 0 && s.Tasks[mcptasks.StatusWorking] > 0:
		e.fault("nodes", fmt.Sprintf("no node runs tasks, and %d tasks wait for one", s.Tasks[mcptasks.StatusWorking]),
			fmt.Sprintf("start one: run '%s work' of the program that has the tools", e.Program))
	default:
		e.ok("nodes", "%d are alive", alive)
	}
}

func (e *examination) waiting(s *store.Survey) {
	backlog := make(map[string]int)
	var oldest store.Waiting
	all := 0
	for _, w := range s.Waiting {
		backlog[w.Queue] += w.Jobs
		all += w.Jobs
		if w.Oldest > oldest.Oldest {
			oldest = w
		}
	}
	var long []string
	for queue, jobs := range backlog {
		if jobs > e.MaxBacklog {
			long = append(long, fmt.Sprintf("queue %s: %d jobs", queue, jobs))
		}
	}
	slices.Sort(long)
	const more = "start more workers, or raise their --max-workers; find what fills the queue with '%s tasks list --status working', and give a tool that floods it a queue of its own"
	if len(long) > 0 {
		e.fault("backlog", fmt.Sprintf("more than %d jobs wait in a queue", e.MaxBacklog), fmt.Sprintf(more, e.Program), long...)
	} else {
		e.ok("backlog", "%d jobs wait", all)
	}
	if oldest.Oldest > e.MaxWait {
		e.fault("wait", fmt.Sprintf("the oldest job has waited %s for a worker, in queue %s for tool %s", oldest.Oldest.Round(time.Second), oldest.Queue, oldest.Tool),
			"if 'served' is a fault, mend that first; otherwise "+fmt.Sprintf(more, e.Program))
	} else {
		e.ok("wait", "the oldest job has waited %s for a worker", oldest.Oldest.Round(time.Millisecond))
	}
}

// served looks for jobs whose tool or queue no living node has.
func (e *examination) served(s *store.Survey) {
	var tools, queues []string
	for _, node := range s.Nodes {
		if node.Silent <= e.Lease {
			tools, queues = append(tools, node.Tools...), append(queues, node.Queues...)
		}
	}
	var unserved []string
	for _, w := range s.Waiting {
		switch {
		case !slices.Contains(tools, w.Tool):
			unserved = append(unserved, fmt.Sprintf("no living node has tool %s: %d jobs wait in queue %s", w.Tool, w.Jobs, w.Queue))
		case !slices.Contains(queues, w.Queue):
			unserved = append(unserved, fmt.Sprintf("no living node runs queue %s: %d jobs of tool %s wait", w.Queue, w.Jobs, w.Tool))
		}
	}
	if len(unserved) == 0 {
		e.ok("served", "every tool with waiting jobs has a node")
		return
	}
	e.fault("served", "tasks wait for a tool or a queue that no living node has",
		fmt.Sprintf("start a node whose program has the tool's handler and runs the queue (--queue); if the tool will not come back, '%s tasks cancel --tool NAME'", e.Program),
		unserved...)
}

func (e *examination) jobless(ids []string) {
	if len(ids) == 0 {
		e.ok("task-without-job", "every working task has a job that will run it")
		return
	}
	e.fault("task-without-job", fmt.Sprintf("%s have no job that will run them", atLeast(len(ids), "working tasks")),
		fmt.Sprintf("a node that runs tasks gives each a new job within seconds: start one, or look in the nodes' logs for sweeps that failed; '%s tasks cancel' cancels one", e.Program),
		ids...)
}

func (e *examination) taskless(jobs []store.Job) {
	if len(jobs) == 0 {
		e.ok("job-without-task", "every job of mcptasks belongs to a task")
		return
	}
	items := make([]string, len(jobs))
	numbers := make([]string, len(jobs))
	for i, job := range jobs {
		items[i] = fmt.Sprintf("job %d of task %s", job.ID, job.TaskID)
		if job.Node != "" {
			items[i] += " on node " + job.Node
		}
		numbers[i] = fmt.Sprint(job.ID)
	}
	e.fault("job-without-task", atLeast(len(jobs), "River jobs")+" belong to no task",
		"they run no handler, and a node that runs their queue ends them; to delete them yourself: DELETE FROM river_job WHERE state <> 'running' AND id IN ("+strings.Join(numbers, ", ")+")",
		items...)
}

// most is how many tasks, and how many jobs, a survey lists.
const most = 100

func atLeast(n int, what string) string {
	if n >= most {
		return fmt.Sprintf("%d %s or more", n, what)
	}
	return fmt.Sprintf("%d %s", n, what)
}
