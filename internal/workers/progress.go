package workers

import (
	"sync"
	"time"

	"github.com/mcptasks/mcptasks"
)

// reportInterval is the least time between two writes of a run's progress.
const reportInterval = 100 * time.Millisecond

// progress has a run's reports written: the first at once, and of those that follow
// within the interval the latest, at its end.
type progress struct {
	write func(mcptasks.Progress)
	// later calls fn after d, unless it is stopped before.
	later func(d time.Duration, fn func()) (stop func() bool)

	writing sync.Mutex // one after the other: the latest must be the last

	mu     sync.Mutex
	latest *mcptasks.Progress // that has not been written
	last   time.Time          // when the one before it was
	stop   func() bool        // stops the timer that will write it
}

func (p *progress) report(latest mcptasks.Progress) {
	p.mu.Lock()
	p.latest = &latest
	wait := reportInterval - time.Since(p.last)
	if wait <= 0 {
		p.last = time.Now()
	} else if p.stop == nil {
		p.stop = p.later(wait, p.flush)
	}
	p.mu.Unlock()
	if wait <= 0 {
		p.flush()
	}
}

// flush writes what has not been written, and returns when it is, or is dropped.
func (p *progress) flush() {
	p.writing.Lock()
	defer p.writing.Unlock()
	if latest := p.take(); latest != nil {
		p.write(*latest)
	}
}

// drop forgets it, and returns when nothing more will be written.
func (p *progress) drop() {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.take()
}

func (p *progress) take() *mcptasks.Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	latest := p.latest
	p.latest = nil
	if latest != nil {
		p.last = time.Now()
	}
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
	return latest
}
