package notify

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A database records what is sent, and passes on what a test puts into it.
type database struct {
	mu     sync.Mutex
	jobs   [][]string
	tasks  [][]string
	took   time.Duration // by each statement
	err    error
	hangs  bool
	listen int // how often

	changed chan []string // of other processes
	lost    chan error
}

func newDatabase() *database {
	return &database{changed: make(chan []string), lost: make(chan error)}
}

func (d *database) NotifyJobs(ctx context.Context, queues []string) error {
	return d.sent(ctx, &d.jobs, queues)
}

func (d *database) NotifyChanged(ctx context.Context, ids []string) error {
	return d.sent(ctx, &d.tasks, ids)
}

func (d *database) sent(ctx context.Context, to *[][]string, names []string) error {
	slices.Sort(names)
	d.mu.Lock()
	*to = append(*to, names)
	d.mu.Unlock()
	if d.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(d.took)
	return d.err
}

func (d *database) Listen(ctx context.Context, ready func(), changed func([]string)) error {
	d.mu.Lock()
	d.listen++
	d.mu.Unlock()
	ready()
	for {
		select {
		case ids := <-d.changed:
			changed(ids)
		case err := <-d.lost:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// read returns what was sent to one of jobs and tasks.
func (d *database) read(sent *[][]string) [][]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(*sent)
}

// listened returns how often the notifier has begun to listen.
func (d *database) listened() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.listen
}

func newNotifier() *Notifier { return New(slog.New(slog.DiscardHandler)) }

func equal(t *testing.T, what string, got [][]string, want ...[]string) {
	t.Helper()
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// What was pending before Start is sent, and what becomes pending while a statement runs
// is sent with the next one.
func TestSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, db := newNotifier(), newDatabase()
		db.took = time.Second
		n.TaskChanged("early")
		n.Start(db, false)
		synctest.Wait()
		for _, id := range []string{"b", "a", "b"} {
			n.TaskChanged(id)
		}
		n.JobsReady("queue")
		n.JobsReadyHere("another")
		time.Sleep(5 * time.Second)
		equal(t, "the tasks", db.read(&db.tasks), []string{"early"}, []string{"a", "b"})
		equal(t, "the jobs", db.read(&db.jobs), []string{"queue"})
		n.Close()
	})
}

// Close sends what is pending at once, although the sender pauses, and sends no more
// afterwards.
func TestLastNotificationAtClose(t *testing.T) {
	for range 20 { // the sender may notice either first, what is pending or the end
		synctest.Test(t, testLastNotification)
	}
}

func testLastNotification(t *testing.T) {
	n, db := newNotifier(), newDatabase()
	n.Start(db, true)
	n.TaskChanged("first")
	synctest.Wait() // it was sent, and the sender pauses
	n.TaskChanged("last")
	n.JobsReady("queue")
	began := time.Now()
	n.Close()
	if took := time.Since(began); took != 0 {
		t.Errorf("Close took %s", took)
	}
	equal(t, "the tasks", db.read(&db.tasks), []string{"first"}, []string{"last"})
	equal(t, "the jobs", db.read(&db.jobs), []string{"queue"})
	n.TaskChanged("late")
	n.Subscribe("late")
	time.Sleep(time.Minute)
	equal(t, "the tasks after Close", db.read(&db.tasks), []string{"first"}, []string{"last"})
	if db.listened() != 0 {
		t.Error("it listens after Close")
	}
}

func TestCloseDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, db := newNotifier(), newDatabase()
		db.hangs = true
		n.Start(db, true)
		n.Subscribe("task")
		n.TaskChanged("task")
		began := time.Now()
		n.Close()
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("Close took %s, want five seconds", took)
		}
	})
}

// A statement that fails loses its notifications and nothing else.
func TestSendFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, db := newNotifier(), newDatabase()
		db.err = errors.New("no")
		n.Start(db, false)
		n.TaskChanged("a")
		n.JobsReady("queue")
		time.Sleep(time.Second)
		n.TaskChanged("b")
		time.Sleep(time.Second)
		equal(t, "the tasks", db.read(&db.tasks), []string{"a"}, []string{"b"})
		equal(t, "the jobs", db.read(&db.jobs), []string{"queue"})
		n.Close()
	})
}

// The pauses grow while there is always more to send, so that a busy process does not
// send a statement for each change.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, db := newNotifier(), newDatabase()
		n.Start(db, false)
		for range 1000 {
			n.TaskChanged("a")
			time.Sleep(100 * time.Microsecond)
		}
		n.Close()
		if sent := len(db.read(&db.tasks)); sent < 100/8 || sent > 100/8+8 {
			t.Errorf("%d statements in 100 ms, want about one in 8 ms", sent)
		}
	})
}

func TestSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, db := newNotifier(), newDatabase()
		n.Start(db, true)
		synctest.Wait()
		if db.listened() != 0 {
			t.Error("it listens, and nobody has subscribed")
		}
		one, cancelOne := n.Subscribe("one")
		two, cancelTwo := n.Subscribe("two")
		again, cancelAgain := n.Subscribe("two")
		synctest.Wait()
		woken := func(want ...bool) {
			t.Helper()
			synctest.Wait()
			for i, channel := range []<-chan struct{}{one, two, again} {
				select {
				case <-channel:
					if !want[i] {
						t.Errorf("subscriber %d was woken", i+1)
					}
				default:
					if want[i] {
						t.Errorf("subscriber %d was not woken", i+1)
					}
				}
			}
		}
		woken(true, true, true) // what was sent before it listened is lost
		n.TaskChanged("one")
		n.TaskChanged("one")
		woken(true, false, false)
		woken(false, false, false)
		db.changed <- []string{"two", "three"}
		woken(false, true, true)
		db.lost <- errors.New("connection reset")
		woken(false, false, false)
		time.Sleep(time.Second)
		woken(true, true, true)
		if db.listened() != 2 {
			t.Errorf("it has listened %d times, want a second time after the connection was lost", db.listened())
		}
		cancelOne()
		cancelAgain()
		n.TaskChanged("one")
		n.TaskChanged("two")
		woken(false, true, false)
		cancelTwo()
		if len(n.watchers) != 0 {
			t.Errorf("%d tasks have subscribers, and all have gone", len(n.watchers))
		}
		n.Close()
	})
}

func TestSendOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, db := newNotifier(), newDatabase()
		n.Start(db, false)
		changed, _ := n.Subscribe("task")
		n.TaskChanged("task")
		<-changed
		n.Close()
		if db.listened() != 0 {
			t.Error("it listened")
		}
	})
}

// A worker hears of each queue once, however often it has got jobs.
func TestSubscribeJobs(t *testing.T) {
	n := newNotifier()
	n.JobsReady("before the subscription")
	jobs, other := n.SubscribeJobs(), n.SubscribeJobs()
	for _, queue := range []string{"a", "b", "a"} {
		n.JobsReadyHere(queue)
	}
	n.JobsReady("c")
	for _, jobs := range []*Jobs{jobs, other} {
		var got []string
		for range 3 {
			<-jobs.Ready()
			got = append(got, jobs.Next())
		}
		slices.Sort(got)
		if want := []string{"a", "b", "c"}; !slices.Equal(got, want) || len(jobs.Ready()) > 0 {
			t.Errorf("got %q, want %q", got, want)
		}
	}

	n.JobsReadyHere("a")
	<-jobs.Ready()
	n.JobsReadyHere("a") // between Ready and Next
	if queue := jobs.Next(); queue != "a" || len(jobs.Ready()) > 0 {
		t.Errorf("got %q, and then another queue: %t", queue, len(jobs.Ready()) > 0)
	}

	jobs.Close()
	n.JobsReadyHere("a")
	if len(jobs.Ready()) > 0 || len(n.workers) != 1 {
		t.Error("a closed subscription is notified")
	}
}
