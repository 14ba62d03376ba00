package storetest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore"
)

func listTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"newest first", func(f *fixture[TTx]) {
			var want []string
			for range 3 {
				ids := ids(f.create(4)) // of one moment: by id
				slices.Sort(ids)
				slices.Reverse(ids)
				want = append(ids, want...)
				f.clock.advance(time.Microsecond)
			}
			f.create1(bob)
			for _, limit := range []int{1, 2, 3, 5, 11, 12, 13, 1000, 0} {
				if got := f.pages(alice, limit); !slices.Equal(got, want) {
					f.Errorf("with %d a page the tasks are %q, want %q", limit, got, want)
				}
			}
		}},
		{"what it says", func(f *fixture[TTx]) {
			run, parked := f.begin(), f.parked("a")
			f.finish(run.Fence, result(`{}`))
			page, err := f.store.List(f.ctx, alice, "", 0)
			f.must(err)
			equal(f.T, "the number of tasks", len(page.Tasks), 2)
			for _, got := range page.Tasks {
				want := f.get(got.ID)
				want.Outcome, want.Questions = nil, nil
				equal(f.T, "the task", fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
			}
			equal(f.T, "the parked one's status", f.get(parked.TaskID).Status, mcptasks.StatusInputRequired)
		}},
		{"an exact last page", func(f *fixture[TTx]) {
			f.create(4)
			page, err := f.store.List(f.ctx, alice, "", 4)
			f.must(err)
			equal(f.T, "the next of the only page", page.Next, "")
			page, err = f.store.List(f.ctx, alice, "", 2)
			f.must(err)
			if page.Next == "" {
				f.Error("the first of two pages has no next")
			}
			page, err = f.store.List(f.ctx, alice, page.Next, 2)
			f.must(err)
			equal(f.T, "the number of tasks", len(page.Tasks), 2)
			equal(f.T, "the next of the last page", page.Next, "")
		}},
		{"none", func(f *fixture[TTx]) {
			f.create(1)
			page, err := f.store.List(f.ctx, bob, "", 0)
			f.must(err)
			equal(f.T, "the number of tasks", len(page.Tasks), 0)
			equal(f.T, "the next", page.Next, "")
		}},
		{"by default", func(f *fixture[TTx]) {
			f.create(101)
			page, err := f.store.List(f.ctx, alice, "", 0)
			f.must(err)
			equal(f.T, "the number of tasks", len(page.Tasks), 100)
		}},
		{"while it changes", func(f *fixture[TTx]) {
			var made []string
			for range 4 {
				made = append(made, f.create(1)[0].ID)
				f.clock.advance(time.Second)
			}
			page, err := f.store.List(f.ctx, alice, "", 2)
			f.must(err)
			f.create(3)
			f.query("DELETE FROM {s}mcp_task WHERE id = '%s'", made[2]) // the cursor's own
			page, err = f.store.List(f.ctx, alice, page.Next, 2)
			f.must(err)
			if got, want := ids(page.Tasks), []string{made[1], made[0]}; !slices.Equal(got, want) {
				f.Errorf("the second page is %q, want %q", got, want)
			}
		}},
		{"expired", func(f *fixture[TTx]) {
			expired, live := f.begin(), f.begin()
			f.finish(expired.Fence, result(`{}`))
			at := f.get(expired.TaskID).ExpiresAt
			f.clock.set(at.Add(-time.Microsecond))
			equal(f.T, "the number before", len(f.pages(alice, 0)), 2)
			f.clock.set(at)
			if got := f.pages(alice, 0); !slices.Equal(got, []string{live.TaskID}) {
				f.Errorf("the tasks are %q, want %s", got, live.TaskID)
			}
		}},
		{"owners", func(f *fixture[TTx]) {
			for _, owner := range []mcptasks.Owner{"", "alice", "Alice", "alice ", "al%", "日本 \U0001F600", "'\"\\"} {
				f.create1(owner)
				equal(f.T, "the number of tasks of "+string(owner), len(f.pages(owner, 0)), 1)
			}
			for _, owner := range []mcptasks.Owner{"a\x00", "a\xff"} {
				_, err := f.store.List(f.ctx, owner, "", 0)
				f.wantError(err, mcptasks.ErrInvalid)
			}
		}},
		{"cursors of others", func(f *fixture[TTx]) {
			f.create(3)
			for range 3 {
				f.create1(bob)
				f.create1("")
			}
			cursors := make(map[string]string)
			for _, owner := range []mcptasks.Owner{alice, bob, ""} {
				page, err := f.store.List(f.ctx, owner, "", 1)
				f.must(err)
				cursors[string(owner)] = page.Next
			}
			page, err := f.store.Operator().List(f.ctx, taskstore.Query{}, "", 1)
			f.must(err)
			cursors["operator"] = page.Next
			for whose, cursor := range cursors {
				if whose != string(alice) {
					_, err := f.store.List(f.ctx, alice, cursor, 1)
					f.wantText(err, mcptasks.ErrInvalid, "unknown cursor")
				}
				if whose != "operator" {
					_, err := f.store.Operator().List(f.ctx, taskstore.Query{}, cursor, 1)
					f.wantText(err, mcptasks.ErrInvalid, "unknown cursor")
				}
			}
		}},
		{"no cursors", func(f *fixture[TTx]) {
			f.create(3)
			page, err := f.store.List(f.ctx, alice, "", 1)
			f.must(err)
			raw, err := base64.RawURLEncoding.DecodeString(page.Next)
			f.must(err)
			for name, cursor := range map[string]string{
				"a word": "next", "a number": "1", "an id": taskstore.NewID(f.clock.now()), "spaces": "   ", "NUL": "\x00", "not UTF-8": "\xff",
				"cut off": page.Next[:len(page.Next)-4], "longer": page.Next + "AAAA", "padded": page.Next + "=", "twice": page.Next + page.Next,
				"a megabyte": strings.Repeat("A", 1<<20), "only the owner": base64.RawURLEncoding.EncodeToString(raw[:8]),
			} {
				if _, err := f.store.List(f.ctx, alice, cursor, 1); !strings.Contains(fmt.Sprint(err), "unknown cursor") {
					f.Errorf("%s: the error is %.200v, want that the cursor is unknown", name, err)
				}
			}
			// A forged place in one's own list is a place, or none; it is no failure of the database.
			for _, b := range []byte{0x00, '0', 'v', 'w', 0x7f, 0x80, 0xff} {
				forged := append(raw[:8:8], bytes.Repeat([]byte{b}, len(raw)-8)...)
				if _, err := f.store.List(f.ctx, alice, base64.RawURLEncoding.EncodeToString(forged), 1); err != nil {
					f.wantError(err, mcptasks.ErrInvalid)
				}
			}
		}},
		{"limits", func(f *fixture[TTx]) {
			for _, limit := range []int{-1, 1001, 1 << 40} {
				_, err := f.store.List(f.ctx, alice, "", limit)
				f.wantText(err, mcptasks.ErrInvalid, "1000")
			}
		}},
	}
}

// create1 is a new task of the owner's.
func (f *fixture[TTx]) create1(owner mcptasks.Owner) *mcptasks.Task {
	f.Helper()
	call := f.call()
	call.Owner = owner
	return f.make(call)
}

// pages returns the ids of all the owner's tasks, read page by page.
func (f *fixture[TTx]) pages(owner mcptasks.Owner, limit int) []string {
	f.Helper()
	var all []string
	for cursor := ""; ; {
		page, err := f.store.List(f.ctx, owner, cursor, limit)
		f.must(err)
		all = append(all, ids(page.Tasks)...)
		if len(all) > 1000 {
			f.Fatal("the pages have no end")
		}
		if cursor = page.Next; cursor == "" || len(page.Tasks) == 0 {
			return all
		}
	}
}

func ids(tasks []*mcptasks.Task) []string {
	all := make([]string, len(tasks))
	for i, task := range tasks {
		all[i] = task.ID
	}
	return all
}
