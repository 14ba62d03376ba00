package store

import "context"

// Tell tells the processes that listen that the tasks have changed.
func (s *Store[TTx]) Tell(ctx context.Context, ids []string) (err error) {
	defer s.op(ctx, "tell", len(ids)).end(&err)
	if err := s.driver.Tell(ctx, ids); err != nil {
		return wrap("tell", "", err)
	}
	return nil
}

// Listen hears what others tell, until ctx ends or the connection fails.
func (s *Store[TTx]) Listen(ctx context.Context, ready func(), heard func(ids []string)) error {
	if err := s.driver.Listen(ctx, ready, heard); err != nil {
		return wrap("listen", "", err)
	}
	return nil
}
