package command

import (
	"testing"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/runner"
)

// Doctor has the same lease as the nodes that the program makes.
func TestDoctorsLease(t *testing.T) {
	for interval, want := range map[time.Duration]string{0: "15s", 7 * time.Second: "21s"} {
		program := newProgram(mcptasks.NewTools(), &Options{Config: &runner.Config{HeartbeatInterval: interval}})
		if got := program.doctor().Flags().Lookup("lease").DefValue; got != want {
			t.Errorf("with a heartbeat each %s the lease is %s, want %s", interval, got, want)
		}
	}
}
