// Package storetest defines what a store is: a driver that passes [Run] keeps the
// rules of package store on its database.
package storetest

import (
	"context"
	"testing"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// Harness is how the tests reach a kind of database.
type Harness[TTx any] struct {
	// Open makes a fresh, migrated database and returns what opens a driver on it:
	// another one at each call, as another process would. The drivers are closed
	// when the test has ended.
	Open func(t *testing.T) (driver func() driver.Driver[TTx])

	// Query runs one statement in tx and returns the columns of each row, as the
	// database's library reads them.
	Query func(ctx context.Context, tx TTx, sql string) ([][]any, error)
}

// Run tests the driver. Each test has a database of its own and runs in parallel
// to the others.
func Run[TTx any](t *testing.T, harness Harness[TTx]) {
	for _, group := range []struct {
		name  string
		tests []test[TTx]
	}{
		{"create", createTests[TTx]()},
		{"get", getTests[TTx]()},
		{"claim", claimTests[TTx]()},
		{"fence", fenceTests[TTx]()},
		{"report", reportTests[TTx]()},
		{"step", stepTests[TTx]()},
		{"retry", retryTests[TTx]()},
		{"finish", finishTests[TTx]()},
		{"cancel", cancelTests[TTx]()},
		{"status", statusTests[TTx]()},
		{"json", jsonTests[TTx]()},
		{"time", timeTests[TTx]()},
		{"work", workTests[TTx]()},
		{"park", parkTests[TTx]()},
		{"answer", answerTests[TTx]()},
		{"deadline", deadlineTests[TTx]()},
		{"limit", limitTests[TTx]()},
		{"idempotency", idempotencyTests[TTx]()},
		{"node", nodeTests[TTx]()},
		{"recover", recoverTests[TTx]()},
		{"reap", reapTests[TTx]()},
		{"lost fetch", lostTests[TTx]()},
		{"repair", repairTests[TTx]()},
		{"expire", expireTests[TTx]()},
		{"list", listTests[TTx]()},
		{"operator", operatorTests[TTx]()},
		{"trace", traceTests[TTx]()},
		{"show", showTests[TTx]()},
		{"survey", surveyTests[TTx]()},
		{"all or nothing", atomicTests[TTx]()},
		{"walk", walkTests[TTx]()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel()
					test.run(open(t, harness))
				})
			}
		})
	}
}

type test[TTx any] struct {
	name string
	run  func(*fixture[TTx])
}
