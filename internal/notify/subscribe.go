package notify

// Subscribe returns a channel that gets an element after each change of the task, and a
// function that ends the subscription. The channel holds one element: changes that
// follow one another while nobody receives are one.
func (n *Notifier) Subscribe(id string) (changed <-chan struct{}, cancel func()) {
	watcher := make(chan struct{}, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listen != nil {
		n.listen()
		n.listen = nil
	}
	if n.watchers[id] == nil {
		n.watchers[id] = make(map[chan struct{}]struct{})
	}
	n.watchers[id][watcher] = struct{}{}
	return watcher, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.watchers[id], watcher)
		if len(n.watchers[id]) == 0 {
			delete(n.watchers, id)
		}
	}
}

// Jobs is a worker's subscription to the queues that get jobs in this process.
type Jobs struct {
	notifier *Notifier
	ready    chan struct{}
	queues   map[string]struct{} // not yet returned by Next; guarded by notifier.mu
}

// SubscribeJobs begins a subscription. Close it when done.
func (n *Notifier) SubscribeJobs() *Jobs {
	jobs := &Jobs{notifier: n, ready: make(chan struct{}, 1), queues: make(map[string]struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.workers[jobs] = struct{}{}
	return jobs
}

// Ready returns a channel that gets an element when there is a queue for Next.
func (j *Jobs) Ready() <-chan struct{} { return j.ready }

// Next returns a queue that has got jobs, once for all the jobs of that time. It is called
// after an element of Ready was received.
func (j *Jobs) Next() (queue string) {
	j.notifier.mu.Lock()
	defer j.notifier.mu.Unlock()
	for queue = range j.queues {
		break
	}
	delete(j.queues, queue)
	select {
	case <-j.ready: // the same queue has got more jobs meanwhile
	default:
	}
	if len(j.queues) > 0 {
		signal(j.ready)
	}
	return queue
}

// Close ends the subscription.
func (j *Jobs) Close() {
	j.notifier.mu.Lock()
	defer j.notifier.mu.Unlock()
	delete(j.notifier.workers, j)
}
