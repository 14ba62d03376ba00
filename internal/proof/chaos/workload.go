//go:build unix

package main

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/chaos/history"
	"github.com/mcptasks/mcptasks/internal/taskstore"
)

// workload is the run's clients. Followers poll their tasks to the end and cancel some of
// them. Cancellers cancel tasks that are about to end.
type workload struct {
	*client
	followers, cancellers int
}

var owners = []string{"ann", "bob", "eve", ""}

// run starts the clients. When ctx ends they begin nothing new; it returns when all have
// finished or given up.
func (c *workload) run(ctx context.Context) {
	var all sync.WaitGroup
	for range c.followers {
		all.Go(func() {
			for ctx.Err() == nil {
				c.follow(ctx)
			}
		})
	}
	for range c.cancellers {
		all.Go(func() {
			for ctx.Err() == nil {
				c.raceCancel(ctx)
			}
		})
	}
	all.Wait()
}

func (c *workload) anyNode() int { return rand.IntN(len(c.urls)) }

// call makes a call. It returns nil if the client was not told of a task.
func (c *workload) call(ctx context.Context, owner string, call *history.Call) *history.Request {
	call.N = crand.Text()
	r := c.do(ctx, &history.Request{Op: history.OpCall, Node: c.anyNode(), Owner: owner, Call: call})
	if r.Task == "" { // there may be a task that no client knows
		pause(ctx, 100*time.Millisecond)
		return nil
	}
	return r
}

func drawCall() *history.Call {
	between := func(from, to int) int { return from + rand.IntN(to-from) }
	tools := []string{
		history.Quick, history.Quick, history.Plain, history.Plain, history.Steps, history.Steps, history.Steps,
		history.Report, history.Ask, history.Ask, history.Ask, history.Flaky, history.Snoozer, history.Refuse, history.Doomed,
	}
	return &history.Call{Tool: tools[rand.IntN(len(tools))], Steps: between(1, 6), Ms: between(5, 250)}
}

// follow creates a task and polls it to its end, on a random node each time. It answers
// the task's questions, and cancels one task in eight.
func (c *workload) follow(ctx context.Context) {
	owner := owners[rand.IntN(len(owners))]
	made := c.call(ctx, owner, drawCall())
	if made == nil {
		return
	}
	if rand.IntN(6) == 0 { // it is read only at the end of the run
		pause(ctx, 200*time.Millisecond)
		return
	}
	var cancelAt time.Time
	if rand.IntN(8) == 0 {
		cancelAt = time.Now().Add(time.Duration(rand.IntN(1500)) * time.Millisecond)
	}
	for ctx.Err() == nil {
		pause(ctx, time.Duration(80+rand.IntN(250))*time.Millisecond)
		if !cancelAt.IsZero() && time.Now().After(cancelAt) {
			if c.do(ctx, c.about(history.OpCancel, owner, made.Task)).OK() {
				cancelAt = time.Time{}
			}
		}
		_, status, questions := c.do(ctx, c.about(history.OpGet, owner, made.Task)).View()
		switch status {
		case "completed", "failed", "cancelled":
			c.do(ctx, c.about(history.OpGet, owner, made.Task))
			return
		case "input_required":
			if rand.IntN(3) > 0 { // not always at once
				c.answer(ctx, owner, made.Task, questions)
			}
		}
		if rand.IntN(12) == 0 {
			c.requestForeign(ctx, owner, made.Task)
		}
	}
}

func (c *workload) about(op, owner, task string) *history.Request {
	return &history.Request{Op: op, Node: c.anyNode(), Owner: owner, Task: task}
}

// answer answers the questions: in one request, in concurrent requests with one answer
// each, or in two concurrent requests with different answers.
func (c *workload) answer(ctx context.Context, owner, task string, questions []string) {
	update := func(keys ...string) {
		r := c.about(history.OpUpdate, owner, task)
		r.Answers = make(map[string]string)
		for _, key := range keys {
			r.Answers[key] = crand.Text()
		}
		c.do(ctx, r)
	}
	var at sync.WaitGroup
	switch rand.IntN(4) {
	case 0:
		update(questions...)
	case 1:
		at.Go(func() { update(questions...) })
		at.Go(func() { update(questions...) })
	default:
		for _, key := range questions {
			at.Go(func() { update(key) })
		}
	}
	at.Wait()
	c.do(ctx, c.about(history.OpGet, owner, task))
}

// requestForeign requests the task as another owner, and a task that does not exist.
func (c *workload) requestForeign(ctx context.Context, owner, task string) {
	ops := []string{history.OpGet, history.OpGet, history.OpUpdate, history.OpCancel}
	for _, id := range []string{task, taskstore.NewID(time.Now())} {
		r := c.about(ops[rand.IntN(len(ops))], owner+"'s neighbour", id)
		r.Foreign = true
		if r.Op == history.OpUpdate {
			r.Answers = map[string]string{"confirm": "foreign"}
		}
		c.do(ctx, r)
	}
}

// raceCancel creates a task of a known length, cancels it when it is about to end, and
// reads it on both nodes.
func (c *workload) raceCancel(ctx context.Context) {
	owner := owners[rand.IntN(len(owners))]
	made := c.call(ctx, owner, &history.Call{Tool: history.Plain, Ms: 30 + rand.IntN(150)})
	if made == nil {
		return
	}
	end := time.Unix(0, made.Acked).Add(time.Duration(made.Call.Ms) * time.Millisecond)
	pause(ctx, time.Until(end.Add(time.Duration(rand.IntN(20)-8)*time.Millisecond)))
	c.do(ctx, c.about(history.OpCancel, owner, made.Task))
	for node := range c.urls {
		c.do(ctx, &history.Request{Op: history.OpGet, Node: node, Owner: owner, Task: made.Task})
	}
	pause(ctx, time.Duration(rand.IntN(300))*time.Millisecond)
}

// settle answers pending questions until all tasks have ended, and returns those that have
// not within the time. live reads the tasks that have not ended.
func (c *workload) settle(ctx context.Context, within time.Duration, live func(context.Context) ([]waiting, error)) ([]waiting, error) {
	deadline := time.Now().Add(within)
	for {
		tasks, err := live(ctx)
		if err != nil || len(tasks) == 0 || time.Now().After(deadline) || ctx.Err() != nil {
			return tasks, cmp.Or(err, ctx.Err())
		}
		for _, t := range tasks {
			if t.Status != "input_required" {
				continue
			}
			if _, _, questions := c.do(ctx, c.about(history.OpGet, t.Owner, t.ID)).View(); len(questions) > 0 {
				c.answer(ctx, t.Owner, t.ID, questions)
			}
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// readAll reads each task that a client was told of from every node.
func (c *workload) readAll(ctx context.Context) {
	type handle struct{ owner, task string }
	handles := make(chan handle)
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for h := range handles {
				for node := range c.urls {
					c.do(ctx, &history.Request{Op: history.OpGet, Node: node, Owner: h.owner, Task: h.task, Final: true})
				}
			}
		})
	}
	c.mu.Lock()
	log := c.log
	c.mu.Unlock()
	for _, r := range log {
		if r.Op == history.OpCall && r.Task != "" {
			handles <- handle{r.Owner, r.Task}
		}
	}
	close(handles)
	readers.Wait()
}
