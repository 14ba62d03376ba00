//go:build unix

package main

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/mcptasks/mcptasks/ops"
)

// balancer is a load balancer and the client's transport. Each request goes to the next
// server whose probe says that it is ready.
type balancer struct {
	next    http.RoundTripper
	servers []*upstream
	turn    atomic.Uint64
}

type upstream struct {
	*service
	ready    atomic.Bool
	requests atomic.Int64
}

func newBalancer(servers ...*service) *balancer {
	b := &balancer{next: &http.Transport{}} // without the proxy of the environment
	for _, m := range servers {
		b.servers = append(b.servers, &upstream{service: m})
	}
	return b
}

// watch probes all servers until ctx ends.
func (b *balancer) watch(ctx context.Context) {
	for ctx.Err() == nil {
		for _, server := range b.servers {
			server.ready.Store(ops.Probe(ctx, server.ops) == nil)
		}
		select {
		case <-time.After(notice / 10):
		case <-ctx.Done():
		}
	}
}

// RoundTrip implements [http.RoundTripper].
func (b *balancer) RoundTrip(req *http.Request) (*http.Response, error) {
	turn := b.turn.Add(1)
	for i := range uint64(len(b.servers)) {
		server := b.servers[(turn+i)%uint64(len(b.servers))]
		if server.ready.Load() {
			server.requests.Add(1)
			req = req.Clone(req.Context())
			req.URL.Host, req.Host = server.addr, server.addr
			return b.next.RoundTrip(req)
		}
	}
	return nil, errors.New("no server is ready")
}
