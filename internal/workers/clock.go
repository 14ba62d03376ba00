package workers

import "time"

// clock is the database's, as a node's beats read it. Who lives is decided by it, and
// the ends of tasks by time are decided by each node's own: when it jumps everybody
// seems silent, and when the two differ tasks end too early or too late.
type clock struct {
	sent, got time.Time // when the last beat was sent and answered, by ours
	at        time.Time // when it was, by the database's; zero before the first
}

// tick takes the reading of another beat and returns by how much the database's clock
// has moved more, or less, than ours that only runs: 0 if both may have moved alike.
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
