package history

import "slices"

// answered checks invariant 6 for answers: an acknowledged answer is seen by each later
// read on every node, and by the handler.
func (c *checker) answered(t *task) {
	for _, update := range t.updates {
		if !update.OK() {
			continue
		}
		for _, read := range t.reads {
			if !read.OK() || read.Sent <= update.Acked {
				continue
			}
			for key := range update.Answers {
				if _, open := read.decode().task.InputRequests[key]; open {
					c.violated(6, t, "the answer to %q was acknowledged at %s; node %d still had the question at %s", key, clock(update.Acked), read.Node, clock(read.Sent))
				}
			}
		}
	}
	for key, stored := range c.Tables.Inputs[t.id] {
		c.answer(t, key, stored)
	}
	if out, ok := t.output(); ok && t.row.Status == "completed" {
		for key, got := range out.Answers {
			if stored := c.Tables.Inputs[t.id][key]; stored != got {
				c.violated(6, t, "its handler got %q for %q; the table has %q", got, key, stored)
			}
		}
	}
}

// answer checks that the stored answer is the first of those that were sent.
func (c *checker) answer(t *task, key, stored string) {
	sent := slices.DeleteFunc(slices.Clone(t.updates), func(r *Request) bool { _, has := r.Answers[key]; return !has })
	if stored == "" { // the task ended before an answer was stored
		return
	}
	if !slices.ContainsFunc(sent, func(r *Request) bool { return r.Answers[key] == stored }) {
		c.violated(6, t, "the table has %q for %q, which no client answered", stored, key)
		return
	}
	for _, winner := range sent {
		if !winner.OK() || winner.Answers[key] == stored {
			continue
		}
		alone := !slices.ContainsFunc(sent, func(r *Request) bool {
			return r.Answers[key] == stored && r.Sent < winner.Acked
		})
		if alone {
			c.violated(6, t, "%q for %q was acknowledged at %s, before a client sent %q, which the table has", winner.Answers[key], key, clock(winner.Acked), stored)
		}
	}
}

// cancelled checks invariant 6 for cancellations.
func (c *checker) cancelled(t *task) {
	for _, cancel := range t.cancels {
		if !cancel.OK() {
			continue
		}
		for _, read := range t.reads {
			if read.OK() && read.Sent > cancel.Acked && !terminal(read.decode().task.Status) {
				c.violated(6, t, "its cancellation was acknowledged at %s; node %d said %s to a read of %s",
					clock(cancel.Acked), read.Node, read.decode().task.Status, clock(read.Sent))
			}
		}
	}
}
