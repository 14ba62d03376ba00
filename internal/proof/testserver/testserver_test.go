package testserver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	for database, want := range map[string]int{"": 3, "sqlite": 1, "postgres": 2} {
		if settings, err := Settings(database); err != nil || len(settings) != want {
			t.Errorf("Settings(%q) = %v, %v", database, settings, err)
		}
	}
	if _, err := Settings("oracle"); err == nil {
		t.Error("an unknown database has settings")
	}
}

func TestInTurn(t *testing.T) {
	var endpoints []string
	for _, name := range []string{"a", "b"} {
		node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, name+r.URL.Path)
		}))
		defer node.Close()
		endpoints = append(endpoints, node.URL+"/mcp")
	}
	proxy := httptest.NewServer(inTurn(endpoints))
	defer proxy.Close()

	seen := make(map[string]int)
	for range 4 {
		response, err := http.Get(proxy.URL + "/mcp")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		seen[string(body)]++
	}
	if seen["a/mcp"] != 2 || seen["b/mcp"] != 2 {
		t.Errorf("the nodes answered %v", seen)
	}
}

// readOnce is the body of a request whose node was quick: it is closed when its end is
// looked for a second time.
type readOnce struct {
	io.ReadCloser
	ended bool
}

func (r *readOnce) Read(p []byte) (int, error) {
	if r.ended {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := r.ReadCloser.Read(p)
	r.ended = err == io.EOF
	return n, err
}

func TestInTurnWithQuickNode(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	defer node.Close()
	handler := inTurn([]string{node.URL})
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = &readOnce{ReadCloser: r.Body}
		handler.ServeHTTP(w, r)
	}))
	defer proxy.Close()

	const question = "question"
	response, err := http.Post(proxy.URL, "text/plain", strings.NewReader(question))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err := io.ReadAll(response.Body); err != nil || string(answer) != question {
		t.Errorf("the node's answer is %q, %v", answer, err)
	}
}
