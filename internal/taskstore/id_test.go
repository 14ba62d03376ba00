package taskstore

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestIDsAreInTheOrderOfTime(t *testing.T) {
	at := time.Date(2026, 7, 28, 12, 0, 0, 999_999_000, time.UTC)
	var ids []string
	for _, later := range []time.Duration{0, time.Microsecond, time.Millisecond, time.Second, time.Hour, 1000 * 24 * time.Hour} {
		from := idFrom(at.Add(later))
		for range 3 {
			id := NewID(at.Add(later))
			if id < from || id >= idFrom(at.Add(later+time.Microsecond)) {
				t.Errorf("the id %s is not of its time, from %s", id, from)
			}
			if len(ids) > 0 && from <= ids[len(ids)-1] {
				t.Errorf("the ids from %s are not greater than %s, of an earlier time", from, ids[len(ids)-1])
			}
			if !isTaskID(id) || id >= idGreater {
				t.Errorf("the id %q is invalid", id)
			}
			defer func() { ids = append(ids, id) }()
		}
	}
}

// Every digit but those of the time is drawn anew.
func TestIDsAreRandom(t *testing.T) {
	now := time.Now()
	var seen [idLength][]string
	for range 1000 {
		for i, digit := range strings.Split(NewID(now), "") {
			if !slices.Contains(seen[i], digit) {
				seen[i] = append(seen[i], digit)
			}
		}
	}
	for i, digits := range seen {
		if want := map[bool]int{true: 1, false: 32}[i < idTime]; len(digits) != want {
			t.Errorf("digit %d had the values %q, want %d", i, digits, want)
		}
	}
}

func TestNoID(t *testing.T) {
	id := NewID(time.Now())
	for _, other := range []string{"", id[1:], id + "0", strings.ToUpper(id), "w" + id[1:], id[:35] + "\x00", id[:35] + "é", "3f2504e0-4f89-41d3-9a0c-0305e82c3301"} {
		if isTaskID(other) {
			t.Errorf("%q is taken for an id", other)
		}
	}
}
