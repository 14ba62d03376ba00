package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks"
)

// A joiner makes one transaction of what concurrent callers ask for. It adds no
// delay: a flush starts at once, and takes what gathered while those before it were
// in flight. A call that fails does not fail its neighbours, and neither does a
// caller that goes away.
type joiner[In, Out any] struct {
	// flush does what the calls ask for, all or nothing, and returns what each gets,
	// in their order. A result that is ErrBusy is asked for again, with others.
	flush func(ctx context.Context, calls []In) ([]Result[Out], error)

	// subject names what a call is about: a flush has one call of a subject at most.
	subject func(In) string

	// size is how many bytes a call carries, roughly.
	size func(In) int

	// taken is told how many calls a flush has.
	taken func(calls int)

	// flights is how many flushes may be in flight at once.
	flights int

	// writes says that the calls write. Also a caller then lets others come first before
	// its flight takes those who wait, which costs half of what a poll does, and little
	// beside a write. And no caller has to bound its call: who finds the task locked for
	// longer than flushLimit gets ErrBusy, and a flush that hangs for so long fails.
	writes bool

	mu      sync.Mutex
	waiting []*joined[In, Out]
	flying  int
}

// Result is what one call of a joined write gets.
type Result[Out any] struct {
	Out Out
	Err error
}

// joined is a call that waits for its flush.
type joined[In, Out any] struct {
	call  In
	since time.Time
	tries int
	gone  bool // its caller does not wait any more
	done  chan Result[Out]
}

const (
	flushCalls = 500              // in one flush, at most
	flushBytes = 4 << 20          // likewise, unless a single call has more
	flushLimit = 30 * time.Second // a connection that hangs must not hold callers for ever
)

// do has the call done by a flush and returns what it got. If ctx ends before,
// the call may have been done all the same. A call that nobody shares is flushed by
// its caller: to wake another goroutine twice takes as long as a poll.
func (j *joiner[In, Out]) do(ctx context.Context, call In) (Out, error) {
	m := &joined[In, Out]{call: call, since: time.Now(), done: make(chan Result[Out], 1)}
	if j.join(m) {
		if j.writes {
			runtime.Gosched()
		}
		if flock := j.take(); len(flock) == 1 && flock[0] == m {
			result := j.flushOne(ctx, call)
			if !errors.Is(result.Err, ErrBusy) {
				return result.Out, result.Err
			}
			m.settle(result, j.rejoin)
		} else if len(flock) > 0 {
			go j.fly(flock)
		}
	}
	select {
	case result := <-m.done:
		return result.Out, result.Err
	case <-ctx.Done():
		j.mu.Lock()
		m.gone = true
		j.mu.Unlock()
		var none Out
		return none, ctx.Err()
	}
}

// join adds one who waits, and says whether a flight was free, which is the caller's
// to begin now.
func (j *joiner[In, Out]) join(m *joined[In, Out]) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = append(j.waiting, m)
	if j.flying == j.flights {
		return false
	}
	j.flying++
	return true
}

func (j *joiner[In, Out]) rejoin(m *joined[In, Out]) {
	if j.join(m) {
		j.fly(j.take())
	}
}

// flushOne is the flight of a caller that flies alone.
func (j *joiner[In, Out]) flushOne(ctx context.Context, call In) Result[Out] {
	defer j.land() // also if it panics, which a server's handlers may outlive
	if j.writes {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flushLimit)
		defer cancel()
	}
	j.taken(1)
	results, err := j.flush(ctx, []In{call})
	if err != nil {
		return Result[Out]{Err: err}
	}
	return results[0]
}

// land ends the caller's flight, or leaves it to those who wait.
func (j *joiner[In, Out]) land() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.waiting) > 0 {
		go func() { j.fly(j.take()) }()
	} else {
		j.flying--
	}
}

// fly flushes until nobody waits. It yields before it takes those who do: whoever it
// has just served is about to call again, and otherwise each flush of many would be
// followed by one of a single call, for which all the others wait.
func (j *joiner[In, Out]) fly(flock []*joined[In, Out]) {
	for len(flock) > 0 {
		j.flushAll(flock)
		runtime.Gosched()
		flock = j.take()
	}
}

// take takes those who wait, as far as they fit into one flush. If it takes none,
// the flight is over.
func (j *joiner[In, Out]) take() []*joined[In, Out] {
	j.mu.Lock()
	defer j.mu.Unlock()
	var flock, rest []*joined[In, Out]
	subjects, bytes := make(map[string]struct{}, len(j.waiting)), 0
	for _, m := range j.waiting {
		if m.gone {
			continue
		}
		subject, size := j.subject(m.call), j.size(m.call)
		_, taken := subjects[subject]
		if taken || len(flock) == flushCalls || len(flock) > 0 && bytes+size > flushBytes {
			rest = append(rest, m)
			continue
		}
		subjects[subject] = struct{}{}
		bytes += size
		flock = append(flock, m)
	}
	j.waiting = rest
	if len(flock) == 0 {
		j.flying--
	}
	return flock
}

// flushAll flushes the calls together. If the database refuses that, each is flushed
// by itself: one must not fail the others.
func (j *joiner[In, Out]) flushAll(flock []*joined[In, Out]) {
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	calls := make([]In, len(flock))
	for i, m := range flock {
		calls[i] = m.call
	}
	j.taken(len(calls))
	results, err := j.flush(ctx, calls)
	for i, m := range flock {
		switch {
		case err == nil:
			m.settle(results[i], j.rejoin)
		case len(flock) > 1 && refused(err):
			j.flushAll(flock[i : i+1])
		default:
			m.settle(Result[Out]{Err: err}, j.rejoin)
		}
	}
}

// refused says whether the error is the database's refusal, so that nothing was
// written. After any other, a lost connection's say, the writes may have been done: a
// second try would find their fences gone and take them for another's.
func refused(err error) bool {
	if errors.Is(err, mcptasks.ErrInvalid) || errors.Is(err, mcptasks.ErrConflict) {
		return true
	}
	var coded interface{ SQLState() string }
	if !errors.As(err, &coded) || len(coded.SQLState()) != 5 {
		return false
	}
	switch coded.SQLState()[:2] {
	case "08", "40", "53", "55", "57", "58": // the connection's, others' or the server's doing, not a call's
		return false
	default:
		return true
	}
}

// settle gives the caller what it got. What somebody else has locked is tried again
// in a while: no connection waits for a lock.
func (m *joined[In, Out]) settle(result Result[Out], again func(*joined[In, Out])) {
	if !errors.Is(result.Err, ErrBusy) || time.Since(m.since) > flushLimit {
		m.done <- result
		return
	}
	const first, most = 2 * time.Millisecond, 200 * time.Millisecond
	wait := min(first<<min(m.tries, 10), most)
	m.tries++
	time.AfterFunc(wait/2+rand.N(wait), func() { again(m) })
}
