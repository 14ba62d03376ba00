// Package batch runs the calls of concurrent callers together, as one batch. It knows
// what a call weighs, which calls must not share a batch, and what to do when a batch
// fails. It does not know what the calls do: no task, no job and no SQL.
package batch

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// Options say how a [Batcher] runs calls of type In, each of which returns an Out. Run,
// Key, Size and MaxInFlight are required.
type Options[In, Out any] struct {
	// Run executes the calls together, all or nothing. It returns the result of each
	// call, in their order, or one error for all.
	Run func(ctx context.Context, calls []In) ([]Result[Out], error)

	// Key names what a call is about. A batch has at most one call of a key.
	Key func(In) string

	// Size returns about how many bytes a call carries.
	Size func(In) int

	// MaxInFlight is how many batches may run at once.
	MaxInFlight int

	// Locked reports whether a call's error means that another transaction has locked
	// what the call is about. Such a call is tried again in a later batch, after a
	// pause, so that no connection waits for the lock. Nil: no error means so.
	Locked func(error) bool

	// Rejected reports whether the error of a whole batch means that none of its calls
	// was executed, because of one of them. Each is then run by itself, so that one
	// call does not fail the others. Nil: no error means so.
	Rejected func(error) bool

	// OnBatch is called before a batch of so many calls runs. Nil: nothing is called.
	OnBatch func(calls int)

	// Writes says that the calls write. A caller then lets other callers add their
	// calls before its batch starts, which costs little beside a write, but half of
	// what a read costs. A batch of a single call then has a time limit too: a caller
	// need not have one.
	Writes bool
}

// Result is what one call of a batch returns.
type Result[Out any] struct {
	Out Out
	Err error
}

const (
	maxCalls = 500     // in one batch
	maxBytes = 4 << 20 // in one batch, unless a single call has more

	// limit bounds a batch, so that a hanging connection does not hold callers for
	// ever, and the retries of a locked call.
	limit = 30 * time.Second
)

// A Batcher makes one batch of the calls of concurrent callers. It adds no delay: a
// batch starts at once, with the calls that were added while earlier batches were in
// flight. A call that fails does not fail the others of its batch, and neither does a
// caller that goes away. A Batcher has no goroutine while no call waits. Safe for
// concurrent use.
type Batcher[In, Out any] struct {
	options Options[In, Out]

	mu       sync.Mutex
	waiting  []*pending[In, Out]
	inFlight int
}

// New returns a Batcher that runs calls as the options say.
func New[In, Out any](options Options[In, Out]) *Batcher[In, Out] {
	never := func(error) bool { return false }
	if options.Locked == nil {
		options.Locked = never
	}
	if options.Rejected == nil {
		options.Rejected = never
	}
	if options.OnBatch == nil {
		options.OnBatch = func(int) {}
	}
	return &Batcher[In, Out]{options: options}
}

// pending is a call that waits for its batch.
type pending[In, Out any] struct {
	call      In
	since     time.Time
	tries     int
	abandoned bool // its caller does not wait any more
	done      chan Result[Out]
}

// Do runs the call in a batch and returns its result. If ctx ends first, Do returns the
// error of ctx, and the call may be executed nevertheless. A call that shares its batch
// with no other is run by its caller: waking another goroutine twice takes as long as a
// read. A call that stays locked returns its error after about 30 seconds.
func (b *Batcher[In, Out]) Do(ctx context.Context, call In) (Out, error) {
	p := &pending[In, Out]{call: call, since: time.Now(), done: make(chan Result[Out], 1)}
	if b.add(p) {
		if b.options.Writes {
			runtime.Gosched()
		}
		if batch := b.next(); len(batch) == 1 && batch[0] == p {
			result := b.runOne(ctx, call)
			if !b.isLocked(result) {
				return result.Out, result.Err
			}
			b.finish(p, result)
		} else if len(batch) > 0 {
			go b.runAll(batch)
		}
	}
	select {
	case result := <-p.done:
		return result.Out, result.Err
	case <-ctx.Done():
		b.mu.Lock()
		p.abandoned = true
		b.mu.Unlock()
		var none Out
		return none, ctx.Err()
	}
}

// add adds a call to those that wait. It reports whether another batch may be in flight,
// which the caller then has to start.
func (b *Batcher[In, Out]) add(p *pending[In, Out]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, p)
	if b.inFlight == b.options.MaxInFlight {
		return false
	}
	b.inFlight++
	return true
}

// runOne runs the batch of a caller whose call is alone.
func (b *Batcher[In, Out]) runOne(ctx context.Context, call In) Result[Out] {
	defer b.release() // also after a panic, which a server's handlers may survive
	if b.options.Writes {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	b.options.OnBatch(1)
	results, err := b.options.Run(ctx, []In{call})
	if err != nil {
		return Result[Out]{Err: err}
	}
	return results[0]
}

// release ends the batch of a caller, or has a goroutine run the calls that wait.
func (b *Batcher[In, Out]) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) > 0 {
		go func() { b.runAll(b.next()) }()
	} else {
		b.inFlight--
	}
}

// runAll runs batches until no call waits. It yields between two batches: the callers
// that were just served are about to call again. Without that, each batch of many calls
// would be followed by a batch of one, for which the others would have to wait.
func (b *Batcher[In, Out]) runAll(batch []*pending[In, Out]) {
	for len(batch) > 0 {
		b.run(batch)
		runtime.Gosched()
		batch = b.next()
	}
}

// next removes and returns the waiting calls that fit into one batch. If it returns
// none, one batch less is in flight.
func (b *Batcher[In, Out]) next() []*pending[In, Out] {
	b.mu.Lock()
	defer b.mu.Unlock()
	var batch, rest []*pending[In, Out]
	keys, bytes := make(map[string]struct{}, len(b.waiting)), 0
	for _, p := range b.waiting {
		if p.abandoned {
			continue
		}
		key, size := b.options.Key(p.call), b.options.Size(p.call)
		_, inBatch := keys[key]
		if inBatch || len(batch) == maxCalls || len(batch) > 0 && bytes+size > maxBytes {
			rest = append(rest, p)
			continue
		}
		keys[key] = struct{}{}
		bytes += size
		batch = append(batch, p)
	}
	b.waiting = rest
	if len(batch) == 0 {
		b.inFlight--
	}
	return batch
}

// run runs one batch. If the batch is rejected, each of its calls is run by itself.
func (b *Batcher[In, Out]) run(batch []*pending[In, Out]) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	calls := make([]In, len(batch))
	for i, p := range batch {
		calls[i] = p.call
	}
	b.options.OnBatch(len(calls))
	results, err := b.options.Run(ctx, calls)
	for i, p := range batch {
		switch {
		case err == nil:
			b.finish(p, results[i])
		case len(batch) > 1 && b.options.Rejected(err):
			b.run(batch[i : i+1])
		default:
			b.finish(p, Result[Out]{Err: err})
		}
	}
}

// finish gives the caller its result, or schedules another try of a locked call.
func (b *Batcher[In, Out]) finish(p *pending[In, Out], result Result[Out]) {
	if !b.isLocked(result) || time.Since(p.since) > limit {
		p.done <- result
		return
	}
	const first, most = 2 * time.Millisecond, 200 * time.Millisecond
	pause := min(first<<min(p.tries, 10), most)
	p.tries++
	time.AfterFunc(pause/2+rand.N(pause), func() {
		if b.add(p) {
			b.runAll(b.next())
		}
	})
}

func (b *Batcher[In, Out]) isLocked(result Result[Out]) bool {
	return result.Err != nil && b.options.Locked(result.Err)
}
