package mcptasks_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/mcptasks/mcptasks"
)

func TestErrorText(t *testing.T) {
	tests := []struct {
		err  mcptasks.Error
		want string
	}{
		{
			mcptasks.Error{Op: "open", Err: errors.New("no schema")},
			"mcptasks: open: no schema",
		},
		{
			mcptasks.Error{Op: "get", TaskID: "t1", Err: mcptasks.ErrNotFound},
			"mcptasks: get task t1: task not found",
		},
		{
			mcptasks.Error{Op: "open", Err: errors.New("no schema"), Hint: "run migrate"},
			"mcptasks: open: no schema (run migrate)",
		},
		{
			mcptasks.Error{Op: "claim", TaskID: "t1", Err: errors.New("no connection"), Hint: "is it up?"},
			"mcptasks: claim task t1: no connection (is it up?)",
		},
	}
	for _, test := range tests {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestErrorsAreFoundThroughError(t *testing.T) {
	cause := fmt.Errorf("%w: arguments must be an object", mcptasks.ErrInvalid)
	err := fmt.Errorf("serving: %w", &mcptasks.Error{Op: "create", Err: cause})
	if !errors.Is(err, mcptasks.ErrInvalid) {
		t.Error("errors.Is does not find ErrInvalid")
	}
	if errors.Is(err, mcptasks.ErrNotFound) {
		t.Error("errors.Is finds what is not there")
	}
	var ours *mcptasks.Error
	if !errors.As(err, &ours) || ours.Op != "create" {
		t.Errorf("errors.As finds %v", ours)
	}
}

func TestPermanent(t *testing.T) {
	if err := mcptasks.Permanent(nil); err != nil {
		t.Errorf("Permanent(nil) = %v", err)
	}
	err := mcptasks.Permanent(mcptasks.ErrConflict)
	if !errors.Is(err, mcptasks.ErrConflict) || err.Error() != mcptasks.ErrConflict.Error() {
		t.Errorf("Permanent hides its error: %v", err)
	}
}
