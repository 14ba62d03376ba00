package runner

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/internal/workers"
	"github.com/mcptasks/mcptasks/migrations"
)

// database is the part of a store that Ready uses.
type database struct {
	taskstore.Backend
	ping func(context.Context) error
}

func (d *database) Ping(ctx context.Context) error { return d.ping(ctx) }

// A probe every second checks the schema twice a minute, and at each probe once it is
// wrong.
func TestReadyChecksTheSchemaNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checks int
		var wrong error
		db := &database{ping: func(context.Context) error { return nil }}
		node := &Node{store: db, workers: workers.New(db, mcptasks.NewTools(), config.Default(), ""), ready: readiness{
			check:     func(context.Context) error { checks++; return wrong },
			checkedAt: time.Now(),
		}}
		probe := func(seconds int) (err error) {
			for range seconds {
				time.Sleep(time.Second) // the bubble's clock
				err = node.Ready(t.Context())
			}
			return err
		}
		if err := probe(100); err != nil || checks != 3 {
			t.Errorf("a hundred probes: %d checks, %v", checks, err)
		}
		wrong = migrations.ErrNewSchema
		if err := probe(60); err != nil {
			t.Errorf("a newer schema, as during a roll-out: %v", err)
		}
		wrong = migrations.ErrOldSchema
		if err := probe(60); !errors.Is(err, migrations.ErrOldSchema) {
			t.Errorf("an older schema: %v", err)
		}
		wrong = nil
		if err := probe(1); err != nil {
			t.Errorf("a schema that is good again: %v", err)
		}
	})
}

// A database that says nothing ends the probe after five seconds, and its words
// are not the probe's.
func TestReadyOfASilentDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &database{ping: func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("host=secret user=secret")
		}}
		node := &Node{store: db, workers: workers.New(db, mcptasks.NewTools(), config.Default(), ""), ready: readiness{checkedAt: time.Now()}}
		began := time.Now()
		err := node.Ready(t.Context())
		if err == nil || strings.Contains(err.Error(), "secret") || time.Since(began) != 5*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}
