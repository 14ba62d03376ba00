package subject

import (
	"io"
	"net/http"
	"net/http/httptest"
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
