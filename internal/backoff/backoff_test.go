package backoff_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcptasks/mcptasks/internal/backoff"
)

func TestAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		for n := range backoff.Attempts(t.Context(), time.Second, 5*time.Second) {
			at = append(at, time.Since(start))
			if n != len(at) {
				t.Errorf("attempt %d has the number %d", len(at), n)
			}
			if n == 6 {
				break
			}
		}
		want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 12 * time.Second, 17 * time.Second}
		if !slices.Equal(at, want) {
			t.Errorf("the attempts were after %v, want %v", at, want)
		}
	})
}

// A context that ends does so during a pause, and never keeps the first attempt away.
func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		start := time.Now()
		for _, want := range []int{2, 1} {
			attempts := 0
			for range backoff.Attempts(ctx, time.Second, time.Minute) {
				attempts++
			}
			if attempts != want {
				t.Errorf("%d attempts, want %d", attempts, want)
			}
		}
		if took := time.Since(start); took != 1500*time.Millisecond {
			t.Errorf("it took %s, and the context ended after 1.5s", took)
		}
	})
}
