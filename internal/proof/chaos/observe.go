//go:build unix

package main

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/chaos/history"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// observed is a driver that logs each claim and each fenced write with its result.
type observed[TTx any] struct {
	driver.Driver[TTx]
	log *history.Log
}

// exclusive is an observed driver that one process at a time may work.
type exclusive[TTx any] struct {
	*observed[TTx]
	lock driver.Exclusive
}

func (e exclusive[TTx]) LockWorker() (func() error, error) { return e.lock.LockWorker() }

func observe[TTx any](db driver.Driver[TTx], log *history.Log) driver.Driver[TTx] {
	o := &observed[TTx]{Driver: db, log: log}
	if lock, ok := db.(driver.Exclusive); ok {
		return exclusive[TTx]{o, lock}
	}
	return o
}

// claims has the token of the last run of each task that this process claimed.
var claims sync.Map

func (o *observed[TTx]) Claim(ctx context.Context, fences []driver.Fence, tools []string, node string, now time.Time) ([]*driver.Claimed, error) {
	claimed, err := o.Driver.Claim(ctx, fences, tools, node, now)
	if err == nil {
		for _, c := range claimed {
			o.log.Add(history.Observation{Kind: history.Claimed, Task: c.TaskID, Run: c.RunToken, Seq: c.RunSeq, Job: c.JobID})
			claims.Store(c.TaskID, c.RunToken)
		}
	}
	return claimed, err
}

func (o *observed[TTx]) wrote(op, key string, fence driver.Fence, sent time.Time, held bool) {
	o.log.Add(history.Observation{
		Kind: history.Wrote, Op: op, Key: key, Task: fence.TaskID, Run: fence.RunToken,
		Sent: sent.UnixNano(), Held: held,
	})
}

func (o *observed[TTx]) Report(ctx context.Context, reports []driver.Report, now time.Time) ([]string, error) {
	sent := time.Now()
	held, err := o.Driver.Report(ctx, reports, now)
	return held, recordWrites(o, "progress", reports, func(r driver.Report) driver.Fence { return r.Fence }, sent, held, err)
}

func (o *observed[TTx]) FailAttempts(ctx context.Context, failed []driver.FailedAttempt, now time.Time) ([]string, error) {
	sent := time.Now()
	held, err := o.Driver.FailAttempts(ctx, failed, now)
	return held, recordWrites(o, "retry", failed, func(r driver.FailedAttempt) driver.Fence { return r.Fence }, sent, held, err)
}

func (o *observed[TTx]) Finish(ctx context.Context, ends []driver.Finish, now time.Time, retention time.Duration) ([]string, []int64, error) {
	sent := time.Now()
	held, completed, err := o.Driver.Finish(ctx, ends, now, retention)
	return held, completed, recordWrites(o, "outcome", ends, func(f driver.Finish) driver.Fence { return f.Fence }, sent, held, err)
}

func recordWrites[TTx, W any](o *observed[TTx], op string, writes []W, fence func(W) driver.Fence, sent time.Time, held []string, err error) error {
	if err != nil {
		return err
	}
	in := make(map[string]bool)
	for _, id := range held {
		in[id] = true
	}
	for _, w := range writes {
		o.wrote(op, "", fence(w), sent, in[fence(w).TaskID])
	}
	return nil
}

func (o *observed[TTx]) SaveStep(ctx context.Context, step driver.Step, most int, now time.Time) (json.RawMessage, bool, error) {
	sent := time.Now()
	result, held, err := o.Driver.SaveStep(ctx, step, most, now)
	if err == nil {
		o.wrote("step", step.Key, step.Fence, sent, held)
	}
	return result, held, err
}

func (o *observed[TTx]) Park(
	ctx context.Context, tx TTx, fence driver.Fence, questions []driver.Asked, detail string, now time.Time,
) (all, open int, held bool, err error) {
	sent := time.Now()
	all, open, held, err = o.Driver.Park(ctx, tx, fence, questions, detail, now)
	if err == nil {
		o.wrote("questions", "", fence, sent, held)
	}
	return all, open, held, err
}
