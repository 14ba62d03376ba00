//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/mcptasks/mcptasks/internal/proof/bench/rawclient"
)

// httpClients is the number of clients. Each keeps one connection.
const httpClients = 64

// httpGets compares polls over HTTP with calls of the echo tool. The tasks are those of
// polls, and the tool echoes the text that their results have.
func httpGets(ctx context.Context, h *harness) (_ *samples, err error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	defer closing(&err, db.drop)
	p, err := h.polled(ctx, db)
	if err != nil {
		return nil, err
	}
	defer closing(&err, p.node.Close)
	clients, stop, err := dialServer(ctx, db)
	if err != nil {
		return nil, err
	}
	defer closing(&err, stop)

	past := make([]*rawclient.Exchange, len(p.past))
	for i, id := range p.past {
		past[i] = rawclient.Get(id, `"status":"completed"`, answer)
	}
	gets := func(ctx context.Context, share float64) (*work, error) {
		if err := p.renew(ctx); err != nil {
			return nil, err
		}
		fresh := make([]*rawclient.Exchange, len(p.new))
		for i, id := range p.new {
			fresh[i] = rawclient.Get(id, `"status":"working"`)
		}
		return exchangeAll(ctx, db.pids(), clients, h.lasting(share), func() *rawclient.Exchange {
			if n := rand.N(2 * len(past)); n < len(past) { //nolint:gosec // any will do
				return past[n]
			}
			return fresh[rand.N(len(fresh))] //nolint:gosec // any will do
		})
	}
	return h.ratios(ctx, (*work).rate, gets, h.echoes(db, clients, answer))
}

// httpCalls compares tool calls that are answered with a task with calls of the echo tool
// with the same arguments.
func httpCalls(ctx context.Context, h *harness) (_ *samples, err error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	defer closing(&err, db.drop)
	if err := h.migrate(ctx, db.url); err != nil {
		return nil, err
	}
	clients, stop, err := dialServer(ctx, db)
	if err != nil {
		return nil, err
	}
	defer closing(&err, stop)
	call := rawclient.Call("/mcp", "noop", json.RawMessage(arguments), `"resultType":"task"`, `"status":"working"`)
	calls := func(ctx context.Context, share float64) (*work, error) {
		done, err := exchangeAll(ctx, db.pids(), clients, h.lasting(share), func() *rawclient.Exchange { return call })
		if err != nil {
			return nil, err
		}
		return done, errors.Join(
			db.expect(ctx, done.operations, `SELECT count(*) FROM `+tasksTable+` t JOIN `+jobsTable+` j ON j.id = t.job_id WHERE j.state = 'available'`),
			db.clear(ctx, tasksTable, jobsTable),
		)
	}
	return h.ratios(ctx, (*work).rate, calls, h.echoes(db, clients, topic))
}

// topic is the topic in arguments.
const topic = "the tides of the North Sea"

// echoes returns the baseline: calls of the echo tool with a text.
func (h *harness) echoes(db *database, clients rawclient.Clients, text string) side {
	args, err := json.Marshal(input{Topic: text, Steps: 5, Notify: "someone@example.org"})
	if err != nil {
		panic(err) // strings and a number
	}
	call := rawclient.Call("/echo", "echo", args, `"resultType":"complete"`, text)
	return func(ctx context.Context, share float64) (*work, error) {
		return exchangeAll(ctx, db.pids(), clients, h.lasting(share), func() *rawclient.Exchange { return call })
	}
}

// dialServer starts a server on the database and connects the clients.
func dialServer(ctx context.Context, db *database) (_ rawclient.Clients, stop func() error, err error) {
	server, err := startChild("serve", db.wide)
	if err != nil {
		return nil, nil, err
	}
	words, err := server.next(ctx, "listening")
	if err != nil {
		return nil, nil, errors.Join(err, server.kill())
	}
	clients, err := rawclient.Dial(ctx, words[0], httpClients)
	if err != nil {
		return nil, nil, errors.Join(err, server.kill())
	}
	return clients, func() error { return errors.Join(clients.Close(), server.kill()) }, nil
}

// exchangeAll has each client make exchanges, which next returns, one after the other.
func exchangeAll(ctx context.Context, pids []int, clients rawclient.Clients, lasting time.Duration, next func() *rawclient.Exchange) (*work, error) {
	if err := clients.SetDeadline(time.Now().Add(lasting + waitLimit)); err != nil {
		return nil, err
	}
	return closedLoop(ctx, pids, len(clients), lasting, func(_ context.Context, caller int) error { return clients.Do(caller, next()) })
}
