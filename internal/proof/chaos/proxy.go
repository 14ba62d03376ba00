//go:build unix

package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// proxy is between one node and Postgres. It reads the protocol only as far as it needs
// to drop a whole reply after the server has committed.
type proxy struct {
	listener net.Listener
	socket   string // Postgres's

	dropFetch, dropReply atomic.Int32 // replies still to be dropped
	dropped              func(fetch bool)

	mu      sync.Mutex
	moved   *sync.Cond
	conns   map[*proxyConn]struct{}
	refused bool
	stalled bool
	closed  bool
}

// proxyConn is a connection through the proxy.
type proxyConn struct {
	proxy          *proxy
	client, server net.Conn
	fetches        map[string]bool // by prepared statement; used by requests alone
	fetching       atomic.Bool     // a fetch was sent that has not been answered
	awaiting       atomic.Bool     // a statement was sent that has not been answered
}

func newProxy(socket string, dropped func(fetch bool)) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, socket: socket, dropped: dropped, conns: make(map[*proxyConn]struct{})}
	p.moved = sync.NewCond(&p.mu)
	go p.accept()
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.serve(client)
	}
}

func (p *proxy) serve(client net.Conn) {
	p.wait()
	l := &proxyConn{proxy: p, client: client, fetches: make(map[string]bool)}
	p.mu.Lock()
	refused := p.refused || p.closed
	p.mu.Unlock()
	if refused {
		_ = client.Close()
		return
	}
	server, err := net.Dial("unix", p.socket)
	if err != nil { // Postgres is restarting
		_ = client.Close()
		return
	}
	l.server = server
	p.mu.Lock()
	p.conns[l] = struct{}{}
	p.mu.Unlock()
	go l.requests()
	l.replies()
	l.cut()
	p.mu.Lock()
	delete(p.conns, l)
	p.mu.Unlock()
}

// refuse closes all connections and accepts none until it is called with false.
func (p *proxy) refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = on
	if on {
		for l := range p.conns {
			l.cut()
		}
	}
}

// stall passes nothing on, in both directions, until it is called with false.
func (p *proxy) stall(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = on
	p.moved.Broadcast()
}

func (p *proxy) wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.stalled && !p.closed {
		p.moved.Wait()
	}
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.moved.Broadcast()
	for l := range p.conns {
		l.cut()
	}
}

func (l *proxyConn) cut() {
	_ = l.client.Close()
	_ = l.server.Close()
}

// requests passes on the client's messages.
func (l *proxyConn) requests() {
	defer l.cut()
	in, out := bufio.NewReader(l.client), bufio.NewWriter(l.server)
	startup, err := readBody(in, 4)
	if err != nil || l.pass(in, out, startup) != nil {
		return
	}
	for {
		message, err := readMessage(in)
		if err != nil {
			return
		}
		l.look(message)
		if l.pass(in, out, message) != nil {
			return
		}
	}
}

// look notes which prepared statements fetch jobs, and when one is executed.
func (l *proxyConn) look(message []byte) {
	switch body := message[5:]; message[0] {
	case 'P':
		name, query, _ := strings.Cut(string(body), "\x00")
		l.fetches[name] = strings.Contains(query, "JobGetAvailable")
	case 'B':
		_, rest, _ := strings.Cut(string(body), "\x00")
		name, _, _ := strings.Cut(rest, "\x00")
		l.fetching.Store(l.fetches[name])
		l.awaiting.Store(true)
	}
}

// replies passes on the server's messages until a reply is to be dropped.
func (l *proxyConn) replies() {
	in, out := bufio.NewReader(l.server), bufio.NewWriter(l.client)
	losing, fetch := false, false
	for {
		message, err := readMessage(in)
		if err != nil {
			return
		}
		switch message[0] {
		case 'D':
			if !losing && l.fetching.Load() && decrement(&l.proxy.dropFetch) {
				losing, fetch = true, true
			}
		case 'C':
			losing = losing || l.awaiting.Load() && decrement(&l.proxy.dropReply)
		case 'Z': // the server has committed
			if losing {
				l.proxy.dropped(fetch)
				return
			}
			l.fetching.Store(false)
			l.awaiting.Store(false)
		}
		if !losing && l.pass(in, out, message) != nil {
			return
		}
	}
}

// pass writes a message when the proxy does not stall. It flushes when the reader's buffer
// is empty.
func (l *proxyConn) pass(in *bufio.Reader, out *bufio.Writer, message []byte) error {
	l.proxy.wait()
	if _, err := out.Write(message); err != nil {
		return err
	}
	if in.Buffered() > 0 {
		return nil
	}
	return out.Flush()
}

// decrement subtracts one unless the number is zero, and reports whether it did.
func decrement(left *atomic.Int32) bool {
	for {
		n := left.Load()
		if n <= 0 {
			return false
		}
		if left.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

func readMessage(in *bufio.Reader) ([]byte, error) { return readBody(in, 5) }

// readBody reads a message. The last four bytes of its head are its length.
func readBody(in *bufio.Reader, head int) ([]byte, error) {
	header, err := in.Peek(head)
	if err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint32(header[head-4:]))
	message := make([]byte, head-4+length)
	_, err = io.ReadFull(in, message)
	return message, err
}
