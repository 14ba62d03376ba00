package storetest

import (
	"errors"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore"
)

func getTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"not found", func(f *fixture[TTx]) {
			expired := f.begin()
			f.finish(expired.Fence, result(`{}`))
			f.clock.advance(ttl + time.Second)
			tasks := f.create(2)
			f.claim(tasks[1].ID)

			for way, ask := range f.waysToAsk() {
				unknown := taskstore.NewID(f.clock.now())
				want := strings.ReplaceAll(ask(alice, unknown).Error(), unknown, "ID")
				for name, tc := range map[string]struct {
					owner mcptasks.Owner
					id    string
				}{
					"unknown":            {alice, unknown},
					"expired":            {alice, expired.TaskID},
					"another owner's":    {bob, tasks[0].ID},
					"another's, at work": {bob, tasks[1].ID},
					"nobody's":           {"", tasks[0].ID},
					"another case":       {"Alice", tasks[0].ID},
				} {
					err := ask(tc.owner, tc.id)
					if !errors.Is(err, mcptasks.ErrNotFound) {
						f.Errorf("%s, %s: the error is %v, want %v", way, name, err, mcptasks.ErrNotFound)
					} else if got := strings.ReplaceAll(err.Error(), tc.id, "ID"); got != want {
						f.Errorf("%s, %s: the error reads %q, an unknown task's %q", way, name, got, want)
					}
				}
			}
		}},
		{"malformed", func(f *fixture[TTx]) {
			id := f.create(1)[0].ID
			for way, ask := range f.waysToAsk() {
				for name, malformed := range map[string]string{
					"empty":      "",
					"NUL":        "\x00",
					"NUL within": id[:35] + "\x00",
					"not UTF-8":  id[:35] + "\xff",
					"upper case": strings.ToUpper(id),
					"braces":     "{" + id + "}",
					"too short":  id[1:],
					"space":      id + " ",
					"SQL":        "' OR '1'='1",
					"a megabyte": strings.Repeat("a", 1<<20),
				} {
					err := ask(alice, malformed)
					if !errors.Is(err, mcptasks.ErrNotFound) {
						f.Errorf("%s, %s: the error is %.200v, want %v", way, name, err, mcptasks.ErrNotFound)
					} else if len(err.Error()) > 1000 {
						f.Errorf("%s, %s: the error is %d bytes long", way, name, len(err.Error()))
					}
				}
				for _, owner := range []mcptasks.Owner{"alice\x00", "alice\xff"} {
					f.wantError(ask(owner, id), mcptasks.ErrNotFound)
				}
			}
		}},
		{"live tasks do not expire", func(f *fixture[TTx]) {
			id := f.create(1)[0].ID
			f.clock.advance(1000 * ttl)
			task := f.get(id)
			equal(f.T, "the TTL", task.TTL, ttl)
			equal(f.T, "the expiry", task.ExpiresAt, time.Time{})
		}},
		{"until it expires", func(f *fixture[TTx]) {
			run := f.begin()
			f.finish(run.Fence, result(`{}`))
			expires := f.get(run.TaskID).ExpiresAt
			f.clock.set(expires.Add(-time.Microsecond))
			f.get(run.TaskID)
			f.clock.set(expires)
			_, err := f.store.Get(f.ctx, alice, run.TaskID)
			f.wantError(err, mcptasks.ErrNotFound)
		}},
	}
}

// waysToAsk are the methods that an owner and an id from outside reach.
func (f *fixture[TTx]) waysToAsk() map[string]func(mcptasks.Owner, string) error {
	return map[string]func(mcptasks.Owner, string) error{
		"Get": func(owner mcptasks.Owner, id string) error {
			_, err := f.store.Get(f.ctx, owner, id)
			return err
		},
		"Cancel": func(owner mcptasks.Owner, id string) error {
			_, err := f.store.Cancel(f.ctx, owner, id)
			return err
		},
		"Answer": func(owner mcptasks.Owner, id string) error {
			return f.store.Answer(f.ctx, owner, id, answers("a"))
		},
		"AnswerTx": func(owner mcptasks.Owner, id string) error {
			return f.inTx(func(tx TTx) error { return f.store.AnswerTx(f.ctx, tx, owner, id, answers("a")) })
		},
		"CancelTx": func(owner mcptasks.Owner, id string) error {
			return f.driver.InTx(f.ctx, func(tx TTx) error { return f.store.CancelTx(f.ctx, tx, owner, id) })
		},
	}
}
