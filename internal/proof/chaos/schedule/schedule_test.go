package schedule

import (
	"slices"
	"testing"
	"time"
)

func TestSameSeedSameFaults(t *testing.T) {
	draw := func(seed uint64) []Fault {
		return Postgres(seed, time.Minute, 3*time.Second, []string{"w0", "w1", "w2"}, []string{"s0", "s1"})
	}
	if !slices.Equal(draw(1), draw(1)) {
		t.Error("two schedules of one seed differ")
	}
	if slices.Equal(draw(1), draw(2)) {
		t.Error("two seeds give one schedule")
	}
}

func TestFaultsFallWithinTheRun(t *testing.T) {
	for seed := range uint64(50) {
		for _, duration := range []time.Duration{20 * time.Second, time.Minute, 5 * time.Minute} {
			faults := slices.Concat(
				Postgres(seed, duration, 3*time.Second, []string{"w0", "w1", "w2"}, []string{"s0", "s1"}),
				SQLite(seed, duration, 3*time.Second, "n"))
			for _, f := range faults {
				if f.At < 0 || f.At > duration {
					t.Fatalf("seed %d, %s: %s", seed, duration, f)
				}
			}
		}
	}
}
