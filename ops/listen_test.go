package ops_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mcptasks/mcptasks/ops"
)

func TestProbe(t *testing.T) {
	quiet(t)
	var err error
	server := listen(t, "127.0.0.1:0", ops.Handler(node(func(context.Context) error { return err }), nil))
	addr := server.Addr().String()
	if err := ops.Probe(t.Context(), addr); err != nil {
		t.Errorf("a process that is ready: %v", err)
	}
	err = &away{errors.New(internals)}
	if err := ops.Probe(t.Context(), addr); err == nil || err.Error() != "not ready: the database does not answer" {
		t.Errorf("a process that is not ready: %v", err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ops.Probe(t.Context(), addr); err == nil {
		t.Error("a process that is gone is ready")
	}
}

// A process can probe itself with the address it listens on.
func TestProbeOfAnyHost(t *testing.T) {
	server := listen(t, ":0", ops.Handler(unready(nil), nil))
	_, port, err := net.SplitHostPort(server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"", "0.0.0.0", "127.0.0.1", "localhost"} {
		if err := ops.Probe(t.Context(), net.JoinHostPort(host, port)); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
}

func TestProbeOfSomethingElse(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	if err := ops.Probe(t.Context(), strings.TrimPrefix(other.URL, "http://")); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a server without probes: %v", err)
	}
}

func TestListenOnATakenAddress(t *testing.T) {
	first := listen(t, "127.0.0.1:0", http.NotFoundHandler())
	if server, err := ops.Listen(t.Context(), first.Addr().String(), http.NotFoundHandler()); err == nil {
		t.Error("listens on a taken address", server.Close())
	}
}

// TestCloseWaitsForAnswers closes the server during a request.
func TestCloseWaitsForAnswers(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	server := listen(t, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-release
		_, _ = io.WriteString(w, "answered")
	}))
	body := make(chan string)
	go func() {
		defer close(body)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Get("http://" + server.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Error(err)
		}
		body <- string(text)
	}()
	<-asked
	closed := make(chan error)
	go func() { closed <- server.Close() }()
	close(release)
	if text := <-body; text != "answered" {
		t.Errorf("answered %q", text)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func listen(t *testing.T, addr string, handler http.Handler) *ops.Server {
	t.Helper()
	server, err := ops.Listen(t.Context(), addr, handler)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}
