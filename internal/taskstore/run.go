package taskstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/failure"
	"github.com/mcptasks/mcptasks/internal/notify"
	"github.com/mcptasks/mcptasks/internal/riverdb"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

// WorkClient returns a River client that works jobs of this database as config
// says. It does not start it.
func (s *Store[TTx]) WorkClient(config *river.Config) (WorkClient, error) {
	config.Schema = s.driver.Schema()
	var notifier *notify.Notifier
	if s.exclusive {
		notifier = s.notifier
	}
	return river.NewClient(riverdb.NewWorkDriver(s.driver.River(), &s.completed, notifier), config)
}

// Claim begins a run on the node: it draws the token of its fence and counts it. It
// returns nil if the task is not this job's to run: it has ended, or has another job
// now; and ErrUnknownTool if the tool is not among tools. As every write that
// runs in a batch, it gives up on a locked task after about 30 seconds.
func (s *Store[TTx]) Claim(ctx context.Context, taskID string, jobID int64, tools []string, node string) (_ *driver.Claimed, err error) {
	defer s.op(ctx, telemetry.OpClaim, 0).end(&err)
	fence := driver.Fence{TaskID: taskID, JobID: jobID, RunToken: uuid.NewString()}
	claimed, err := s.claims.Do(ctx, claim{fence, node, tools})
	if err != nil {
		return nil, wrap("claim", taskID, err)
	}
	return claimed, nil
}

// Held returns the tokens of those runs that still hold their task.
func (s *Store[TTx]) Held(ctx context.Context, runs []driver.Fence) (_ []string, err error) {
	defer s.op(ctx, telemetry.OpCheckRuns, len(runs)).end(&err)
	held, err := s.driver.Held(ctx, runs)
	if err != nil {
		return nil, wrap("sweep", "", err)
	}
	return held, nil
}

// Report makes progress the task's, and reports whether the run still holds it.
func (s *Store[TTx]) Report(ctx context.Context, fence driver.Fence, progress driver.Progress) (_ bool, err error) {
	defer s.op(ctx, telemetry.OpProgress, 0).end(&err)
	report := driver.Report{Fence: fence, Progress: progress, Message: clean(progress.StatusMessage(), maxMessageBytes)}
	held, err := s.reports.Do(ctx, report)
	return s.written("report", fence.TaskID, held, err)
}

// SaveStep records a step's result. It returns the result recorded under the
// key, which is an earlier one's if there was one, and whether the run still
// holds its task; if not, nothing is recorded.
func (s *Store[TTx]) SaveStep(ctx context.Context, step driver.Step) (_ json.RawMessage, _ bool, err error) {
	defer s.op(ctx, telemetry.OpSaveStep, 0).end(&err)
	if !storable(step.Key) {
		return nil, false, &mcptasks.Error{
			Op: "save step", TaskID: step.TaskID,
			Err: fmt.Errorf("%w: the step's key must be text of at most %d bytes", mcptasks.ErrInvalid, maxKeyBytes),
		}
	}
	step.Result = validUTF8(step.Result)
	result, held, err := s.driver.SaveStep(ctx, step, s.config.MaxSteps, s.now())
	if err == nil && held && result == nil {
		err = fmt.Errorf("%w: the task has recorded %d steps, this server's limit", mcptasks.ErrInvalid, s.config.MaxSteps)
	}
	if err != nil {
		return nil, false, wrap("save step", step.TaskID, err)
	}
	if !held {
		return nil, false, nil
	}
	return result, true, nil
}

// FailAttempt counts an error of the handler against its task and ends the run. It reports
// whether the run still held the task. The caller then has River run the same job again.
func (s *Store[TTx]) FailAttempt(ctx context.Context, failed driver.FailedAttempt) (_ bool, err error) {
	defer s.op(ctx, telemetry.OpFailAttempt, 0).end(&err)
	failed.Message = clean(failed.Message, maxMessageBytes)
	failed.Event.Detail = clean(failed.Event.Detail, maxDetailBytes)
	held, err := s.failures.Do(ctx, failed)
	return s.written("fail attempt", failed.TaskID, held, err)
}

// Finish ends the tool's task with the outcome and reports whether the run still held
// it; if not, nothing is changed. A result over MaxResultBytes fails the task
// instead, with an error that says so and names the limit. The event, if it has a kind, goes
// to the timeline.
func (s *Store[TTx]) Finish(ctx context.Context, fence driver.Fence, tool string, outcome *mcptasks.Outcome, event driver.Event) (_ bool, err error) {
	defer s.op(ctx, telemetry.OpFinish, 0).end(&err)
	end := s.finish(fence, outcome, event)
	held, err := s.finishes.Do(ctx, end)
	held, err = s.written("finish", fence.TaskID, held, err)
	if held {
		s.metrics.Finishes.Add(ctx, 1, tool, OutcomeName(end.Status, end.IsError))
	}
	return held, err
}

func (s *Store[TTx]) finish(fence driver.Fence, outcome *mcptasks.Outcome, event driver.Event) driver.Finish {
	data, err := encodeOutcome(outcome)
	sentence := ""
	if err != nil {
		sentence = "The tool's error cannot be sent."
	} else if len(data) > s.config.MaxResultBytes {
		sentence = fmt.Sprintf("The tool's result is %d bytes long; this server keeps at most %d.", len(data), s.config.MaxResultBytes)
	}
	if sentence != "" {
		event = driver.Event{Kind: driver.EventFailed, Node: event.Node, Detail: strings.TrimSpace(sentence + " " + event.Detail)}
		outcome = failure.Outcome(sentence)
		data, _ = encodeOutcome(outcome) // a sentence is always JSON
	}
	event.Detail = clean(event.Detail, maxDetailBytes)
	end := driver.Finish{Fence: fence, Status: outcome.Status(), Outcome: data, IsError: outcome.IsError, Event: event}
	if outcome.Error != nil {
		end.Message = clean(outcome.Error.Message, maxMessageBytes)
	}
	return end
}

// written says that the run held its task, and tells who watches it.
func (s *Store[TTx]) written(op, taskID string, held bool, err error) (bool, error) {
	if err != nil {
		return false, wrap(op, taskID, err)
	}
	if held {
		s.notifier.TaskChanged(taskID)
	}
	return held, nil
}
