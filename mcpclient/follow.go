package mcpclient

import (
	"context"
	"time"

	"github.com/mcptasks/mcptasks"
)

const (
	defaultPoll = time.Second // if the server names no interval
	minPoll     = 100 * time.Millisecond
	maxPoll     = 5 * time.Minute

	// attemptTimeout limits one request about a task: a connection may be dead without
	// a sign. It is long because a result may be large and the network slow.
	attemptTimeout = 2 * time.Minute
)

// follower follows one task to its end. It belongs to the goroutine that runs follow.
type follower struct {
	session *Session
	id      string

	questions map[string]*questionState
	answers   chan handlerAnswer // from the goroutines that run handlers

	awaiting   bool       // tasks/result is open: on it a server of 2025-11-25 asks
	resultDone chan error // the end of tasks/result
}

// follow polls the task until it has ended, and returns it. first is the task's
// known state, nil if none is known.
func (s *Session) follow(ctx context.Context, id string, first *Task) (*Task, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	f := &follower{session: s, id: id, questions: make(map[string]*questionState), answers: make(chan handlerAnswer), resultDone: make(chan error, 1)}

	var wait time.Duration
	if first != nil {
		s.observe(ctx, first)
		if first.Status == mcptasks.StatusWorking { // otherwise there is something to read now
			wait = pollInterval(first)
		}
	}
	for {
		if err := f.wait(ctx, wait); err != nil {
			return nil, err
		}
		var task *Task
		err := s.retry(ctx, attemptTimeout, func(ctx context.Context) (err error) {
			task, err = s.get(ctx, id)
			return err
		})
		if err != nil {
			return nil, err
		}
		s.observe(ctx, task)
		if task.Status.Terminal() {
			return task, nil
		}
		if err := f.answerQuestions(ctx, task); err != nil {
			return nil, err
		}
		wait = pollInterval(task)
	}
}

// observe passes a copy of the task to OnTask.
func (s *Session) observe(ctx context.Context, task *Task) {
	if s.client.onTask != nil {
		shown := *task
		s.client.onTask(ctx, &shown)
	}
}

func pollInterval(task *Task) time.Duration {
	if task.PollInterval == 0 {
		return defaultPoll
	}
	return min(max(task.PollInterval, minPoll), maxPoll)
}

// wait returns when the next poll is due. Meanwhile it sends the handlers' answers.
func (f *follower) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-f.session.closed:
			return errClosed
		case answer := <-f.answers:
			if err := f.accept(ctx, answer); err != nil {
				return err
			}
			if answer.question.err != nil { // poll now: the error matters only if the question is still open
				timer.Reset(0)
			}
		case err := <-f.resultDone:
			f.awaiting = false
			if err == nil { // the task has ended
				timer.Reset(minPoll)
			}
		}
	}
}
