package sqlite

import "context"

// NotifyChanged implements driver.NotifyDriver. SQLite cannot notify other processes.
func (d *Driver) NotifyChanged(context.Context, []string) error { return nil }

// Listen implements driver.NotifyDriver.
func (d *Driver) Listen(ctx context.Context, ready func(), _ func([]string)) error {
	ready()
	<-ctx.Done()
	return ctx.Err()
}
