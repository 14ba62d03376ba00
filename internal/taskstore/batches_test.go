package taskstore

import (
	"errors"
	"fmt"
	"testing"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

type sqlState string

func (s sqlState) Error() string    { return "SQLSTATE " + string(s) }
func (s sqlState) SQLState() string { return string(s) }

// Only an error that says that nothing was written lets the calls of a batch be tried
// one by one.
func TestIsRejection(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{sqlState("22P05"), true}, // untranslatable character
		{sqlState("22021"), true}, // character not in repertoire
		{sqlState("23505"), true}, // unique violation
		{sqlState("54000"), true}, // program limit exceeded
		{mcptasks.ErrInvalid, true},
		{mcptasks.ErrConflict, true},

		{sqlState("08006"), false}, // connection failure
		{sqlState("08007"), false}, // transaction resolution unknown
		{sqlState("40001"), false}, // serialization failure
		{sqlState("40003"), false}, // statement completion unknown
		{sqlState("40P01"), false}, // deadlock
		{sqlState("53100"), false}, // disk full
		{sqlState("53300"), false}, // too many connections
		{sqlState("55P03"), false}, // lock not available
		{sqlState("57014"), false}, // statement timeout
		{sqlState("57P01"), false}, // admin shutdown
		{sqlState("58030"), false}, // I/O error
		{sqlState(""), false},
		{errors.New("connection reset by peer"), false},
		{driver.ErrBusy, false},
		{mcptasks.ErrNotFound, false},
	} {
		if got := isRejection(fmt.Errorf("insert: %w", test.err)); got != test.want {
			t.Errorf("isRejection(%v) is %t, want %t", test.err, got, test.want)
		}
	}
}
