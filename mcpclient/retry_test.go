package mcpclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/mcpwire"
	"github.com/mcptasks/mcptasks/mcpclient"
)

// script is a server without a network, for tests in a synctest bubble. It answers the
// requests of a method with the method's replies in order, and repeats the last. Without
// replies it answers server/discover, and makes a task of each call.
type script struct {
	replies map[string][]func(*http.Request) (*http.Response, error)

	mu sync.Mutex
	at map[string][]time.Time // when each method was sent
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	method := req.Header.Get("Mcp-Method")
	s.mu.Lock()
	s.at[method] = append(s.at[method], time.Now())
	n, replies := len(s.at[method]), s.replies[method]
	s.mu.Unlock()
	switch {
	case len(replies) > 0:
		return replies[min(n, len(replies))-1](req)
	case method == "server/discover":
		return jsonReply(`"result":` + discovered)(req)
	case method == mcpwire.MethodCall:
		return jsonReply(`"result":{"resultType":"task","taskId":"` + taskID + `","status":"working"}`)(req)
	default:
		return jsonReply(`"result":{"resultType":"complete"}`)(req)
	}
}

// waits returns the times between the method's requests.
func (s *script) waits(method string) (waits []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, at := range s.at[method] {
		if i > 0 {
			waits = append(waits, at.Sub(s.at[method][i-1]))
		}
	}
	return waits
}

// jsonReply returns a reply with a member "result" or "error".
func jsonReply(members string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(req.Body)
		must(err)
		msg, err := jsonrpc.DecodeMessage(body)
		must(err)
		call, ok := msg.(*jsonrpc.Request)
		if !ok || !call.IsCall() {
			return reply(http.StatusAccepted, ""), nil
		}
		id, err := jsonrpc.EncodeMessage(&jsonrpc.Response{ID: call.ID, Result: []byte("0")})
		must(err)
		return reply(http.StatusOK, strings.Replace(string(id), `"result":0`, members, 1)), nil
	}
}

func reply(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}

var (
	unclear   = jsonReply(`"error":{"code":-32603,"message":"internal error"}`)
	completed = jsonReply(`"result":{"resultType":"complete","taskId":"` + taskID + `","status":"completed","result":` + bigResult + `}`)
)

func lost(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") }

func unanswered(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// times returns the reply n times.
func times(n int, reply func(*http.Request) (*http.Response, error)) []func(*http.Request) (*http.Response, error) {
	replies := make([]func(*http.Request) (*http.Response, error), n)
	for i := range replies {
		replies[i] = reply
	}
	return replies
}

// connectScript connects to the script. Call it inside a bubble.
func connectScript(t *testing.T, s *script) *mcpclient.Session {
	t.Helper()
	s.at = make(map[string][]time.Time)
	client := mcpclient.NewClient(&mcp.Implementation{Name: "test", Version: "v1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: "http://script", HTTPClient: &http.Client{Transport: s}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// After eight unclear errors in a row the client gives up. An error of the network starts
// the count again.
func TestUnclearErrorsAreLimited(t *testing.T) {
	t.Parallel()
	type replies = []func(*http.Request) (*http.Response, error)
	for name, test := range map[string]struct {
		replies replies
		sent    int
		fails   bool
	}{
		"seven":                  {append(times(7, unclear), completed), 8, false},
		"eight":                  {append(times(8, unclear), completed), 8, true},
		"seven, lost, and seven": {append(append(append(times(7, unclear), lost), times(7, unclear)...), completed), 16, false},
		"seven, lost, and eight": {append(append(append(times(7, unclear), lost), times(8, unclear)...), completed), 16, true},
		"thirty lost":            {append(times(30, lost), completed), 31, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{replies: map[string]replies{mcpwire.MethodGet: test.replies}}
				session := connectScript(t, s)
				defer session.Close()
				_, err := session.Resume(t.Context(), taskID)
				var answered *jsonrpc.Error
				if sent := len(s.at[mcpwire.MethodGet]); sent != test.sent || errors.As(err, &answered) != test.fails || !test.fails && err != nil {
					t.Errorf("error %v after %d polls, want %d", err, sent, test.sent)
				}
			})
		})
	}
}

// The first wait is 250 ms, each further one twice as long, up to 10 s. Each has up to 25 %
// jitter.
func TestWaitsBetweenAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{replies: map[string][]func(*http.Request) (*http.Response, error){mcpwire.MethodGet: append(times(9, lost), completed)}}
		session := connectScript(t, s)
		defer session.Close()
		if _, err := session.Resume(t.Context(), taskID); err != nil {
			t.Fatal(err)
		}
		waits, jitter := s.waits(mcpwire.MethodGet), false
		for i, least := range []time.Duration{250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000} {
			if least *= time.Millisecond; waits[i] < least || waits[i] >= least*5/4 {
				t.Errorf("wait %d is %s, want %s to %s", i+1, waits[i], least, least*5/4)
			}
			jitter = jitter || waits[i] != least
		}
		if !jitter {
			t.Errorf("waits %v without jitter: clients of one server would come back at once", waits)
		}
	})
}

// A poll that gets no answer is sent again after two minutes.
func TestAttemptsAreLimitedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{replies: map[string][]func(*http.Request) (*http.Response, error){mcpwire.MethodGet: {unanswered, completed}}}
		session := connectScript(t, s)
		defer session.Close()
		if _, err := session.Resume(t.Context(), taskID); err != nil {
			t.Fatal(err)
		}
		if waits := s.waits(mcpwire.MethodGet); len(waits) != 1 || waits[0] < 2*time.Minute || waits[0] > 2*time.Minute+time.Second {
			t.Errorf("waited %v", waits)
		}
	})
}

// The cancellation of an abandoned task takes five seconds at most, and the error says
// that the task may still run.
func TestCancellationIsLimitedInTime(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){"unanswered": unanswered, "lost": lost} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{replies: map[string][]func(*http.Request) (*http.Response, error){mcpwire.MethodCancel: {answer}}}
				session := connectScript(t, s)
				defer session.Close()
				ctx, cancel := context.WithCancel(t.Context())
				cancelled := time.AfterFunc(500*time.Millisecond, cancel)
				defer cancelled.Stop()
				begun := time.Now()
				_, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "report"})
				var e *mcptasks.Error
				if !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.TaskID != taskID || e.Hint == "" || !strings.Contains(err.Error(), "may still run") {
					t.Errorf("error %v", err)
				}
				if took := time.Since(begun); took != 5500*time.Millisecond {
					t.Errorf("CallTool returned after %s", took)
				}
			})
		})
	}
}
