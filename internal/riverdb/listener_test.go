package riverdb

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/riverqueue/river/riverdriver"

	"github.com/mcptasks/mcptasks/internal/notify"
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

// A worker is notified of its process's jobs while it waits for the database. It misses
// neither what the database says meanwhile nor the end of its wait.
func TestWorkListener(t *testing.T) {
	notifier, db := notify.New(slog.New(slog.DiscardHandler)), &database{notifications: make(chan *riverdriver.Notification)}
	listener := &workListener{Listener: db, notifier: notifier}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	want := func(want string) {
		t.Helper()
		notification, err := listener.WaitForNotification(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got := notification.Topic + " " + notification.Payload; got != want {
			t.Errorf("got the notification %q, want %q", got, want)
		}
	}

	notifier.JobsReadyHere("before it is connected")
	if err := listener.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	notifier.JobsReadyHere("a")
	want(`river_insert {"queue": "a"}`)

	go func() { db.notifications <- &riverdriver.Notification{Topic: "river_control", Payload: "{}"} }()
	want("river_control {}")
	if db.waits != 1 {
		t.Errorf("the database was asked %d times for one notification", db.waits)
	}

	notifier.JobsReadyHere("b")
	want(`river_insert {"queue": "b"}`)
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
	if listener.jobs != nil {
		t.Error("a closed listener is still subscribed")
	}
}
