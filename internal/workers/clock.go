package workers

import "time"

// clock compares the database's clock, as heartbeats read it, with this machine's. The
// database's clock decides which nodes are alive: when it jumps, all nodes seem silent.
// Each machine's own clock decides when tasks end by time: if it differs from the
// database's, tasks end too early or too late.
type clock struct {
	sent, got time.Time // when the last heartbeat was sent and answered, by our clock
	at        time.Time // when it was recorded, by the database's; zero before the first
}

// tick notes another heartbeat. It returns how much more, or less, the database's clock
// has moved since the last than our monotonic one: 0 if both may have moved alike.
func (c *clock) tick(sent, got, at time.Time) (jump time.Duration) {
	if !c.at.IsZero() {
		jump = outside(at.Sub(c.at), sent.Sub(c.got), got.Sub(c.sent))
	}
	*c = clock{sent: sent, got: got, at: at}
	return jump
}

// ahead returns by how much the database's clock is ahead of this machine's time of
// day: 0 if both may be the same.
func (c *clock) ahead() time.Duration {
	if c.at.IsZero() {
		return 0
	}
	return outside(0, c.sent.Round(0).Sub(c.at), c.got.Round(0).Sub(c.at))
}

// outside returns how far d is below least, as a negative number, or above most.
func outside(d, least, most time.Duration) time.Duration {
	switch {
	case d < least:
		return d - least
	case d > most:
		return d - most
	default:
		return 0
	}
}
