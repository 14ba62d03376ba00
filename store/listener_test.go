package store

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/riverqueue/river/riverdriver"
)

// database is a listener whose notifications a test gives.
type database struct {
	riverdriver.Listener
	waits         int
	notifications chan *riverdriver.Notification
}

func (d *database) Connect(context.Context) error { return nil }
func (d *database) Close(context.Context) error   { return nil }

func (d *database) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	d.waits++
	select {
	case notification := <-d.notifications:
		return notification, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A worker hears of its process's jobs while it waits for the database, of each queue
// once, and misses neither what the database says meanwhile nor the end of its wait.
func TestWorkListener(t *testing.T) {
	listeners, db := &workListeners{}, &database{notifications: make(chan *riverdriver.Notification)}
	listener := listeners.listener(db)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard := func() string {
		t.Helper()
		notification, err := listener.WaitForNotification(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return notification.Topic + " " + notification.Payload
	}

	listeners.ring("nobody listens yet")
	if err := listener.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	for _, queue := range []string{"a", "b", "a"} {
		listeners.ring(queue)
	}
	got := []string{heard(), heard()}
	slices.Sort(got)
	if want := []string{`river_insert {"queue": "a"}`, `river_insert {"queue": "b"}`}; !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}

	go func() { db.notifications <- &riverdriver.Notification{Topic: "river_control", Payload: "{}"} }()
	if got := heard(); got != "river_control {}" {
		t.Errorf("heard %q of the database", got)
	}
	if db.waits != 1 {
		t.Errorf("the database was asked %d times for one notification", db.waits)
	}

	listeners.ring("a")
	<-listener.woken
	listeners.ring("a") // between the word and the look
	if queue := listener.next(); queue != "a" || len(listener.woken) > 0 {
		t.Errorf("heard of %q, and of nothing else %d times", queue, len(listener.woken))
	}

	listeners.ring("a")
	heard()
	cancel() // while the wait for the database goes on
	if _, err := listener.WaitForNotification(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the wait ended with %v", err)
	}
	if listener.waiting != nil {
		t.Error("the database is still waited for")
	}

	if err := listener.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	listeners.ring("a")
	if len(listeners.connected) > 0 || len(listener.rung) > 0 {
		t.Error("who does not listen any more is rung for")
	}
}
