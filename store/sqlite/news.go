package sqlite

import "context"

// Tell implements store.NewsDriver. SQLite has no means to tell other processes.
func (d *Driver) Tell(context.Context, []string) error { return nil }

// Listen implements store.NewsDriver.
func (d *Driver) Listen(ctx context.Context, ready func(), _ func([]string)) error {
	ready()
	<-ctx.Done()
	return ctx.Err()
}
