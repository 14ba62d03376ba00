package workers

import (
	"sync"
	"time"

	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
)

// progressInterval is the least time between two writes of a run's progress.
const progressInterval = 100 * time.Millisecond

// progress writes what a run reports of its progress: the first report at once, and of
// those that follow within progressInterval only the latest, at its end.
type progress struct {
	write func(driver.Progress)
	// later calls fn after d, unless it is stopped before.
	later func(d time.Duration, fn func()) (stop func() bool)

	writing sync.Mutex // one write at a time, so that the latest report is written last

	mu      sync.Mutex
	pending *driver.Progress // the latest report, if it has not been written
	written time.Time        // when the one before it was
	stop    func() bool      // stops the timer that will write it
}

// report writes the latest progress, now or later.
func (p *progress) report(latest driver.Progress) {
	p.mu.Lock()
	p.pending = &latest
	wait := progressInterval - time.Since(p.written)
	if wait <= 0 {
		p.written = time.Now()
	} else if p.stop == nil {
		p.stop = p.later(wait, p.flush)
	}
	p.mu.Unlock()
	if wait <= 0 {
		p.flush()
	}
}

// flush writes the pending progress. When it returns none is pending or being written.
func (p *progress) flush() {
	p.writing.Lock()
	defer p.writing.Unlock()
	if pending := p.dequeue(); pending != nil {
		p.write(*pending)
	}
}

// drop forgets the pending progress. When it returns none is being written.
func (p *progress) drop() {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.dequeue()
}

// dequeue returns the pending progress, nil for none, which is then no longer pending.
func (p *progress) dequeue() *driver.Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	pending := p.pending
	p.pending = nil
	if pending != nil {
		p.written = time.Now()
	}
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
	return pending
}
