package mcptasks_test

import (
	"slices"
	"testing"

	"github.com/mcptasks/mcptasks"
)

func TestStatusTable(t *testing.T) {
	const (
		working   = mcptasks.StatusWorking
		input     = mcptasks.StatusInputRequired
		completed = mcptasks.StatusCompleted
		failed    = mcptasks.StatusFailed
		cancelled = mcptasks.StatusCancelled
	)
	legal := [][2]mcptasks.Status{
		{working, input},
		{working, completed},
		{working, failed},
		{working, cancelled},
		{input, working},
		{input, completed},
		{input, failed},
		{input, cancelled},
	}
	all := []mcptasks.Status{working, input, completed, failed, cancelled}
	if got := mcptasks.Statuses(); !slices.Equal(got, all) {
		t.Errorf("Statuses() = %v, want %v", got, all)
	}
	for _, from := range append(all, "", "submitted") {
		for _, to := range append(all, "", "submitted") {
			if want := slices.Contains(legal, [2]mcptasks.Status{from, to}); from.CanBecome(to) != want {
				t.Errorf("%q may become %q: %v, want %v", from, to, !want, want)
			}
		}
	}
	for _, status := range all {
		if want := status != working && status != input; status.Terminal() != want {
			t.Errorf("%s is terminal: %v, want %v", status, !want, want)
		}
	}
}
