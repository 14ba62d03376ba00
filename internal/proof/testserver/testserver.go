// Package testserver runs examples/conformance, the server for the official suite and
// clients, in each setting that it must work in.
package testserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"

	"github.com/mcptasks/mcptasks/internal/proof/npm"
	"github.com/mcptasks/mcptasks/internal/testdb"
)

// Settings.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
	// TwoNodes is two processes on one Postgres, behind a proxy that alternates between
	// them without regard to sessions.
	TwoNodes = "two nodes"
)

// Settings returns the settings of a kind of database, or of both if it is empty.
func Settings(database string) ([]string, error) {
	switch database {
	case "":
		return []string{SQLite, Postgres, TwoNodes}, nil
	case SQLite:
		return []string{SQLite}, nil
	case Postgres:
		return []string{Postgres, TwoNodes}, nil
	}
	return nil, fmt.Errorf("the database %q is neither sqlite nor postgres", database)
}

// A Server is the built program.
type Server struct {
	dir    string
	binary string
}

const program = "github.com/mcptasks/mcptasks/examples/conformance"

// Build builds the program into dir, where its logs go as well.
func Build(ctx context.Context, dir string) (*Server, error) {
	s := &Server{dir: dir, binary: filepath.Join(dir, "server")}
	build := exec.CommandContext(ctx, "go", "build", "-o", s.binary, program)
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w\n%s", program, err, npm.Tail(out))
	}
	return s, nil
}

// Remove removes the binary and leaves the logs.
func (s *Server) Remove() { _ = os.Remove(s.binary) }

// Start starts the program in the setting and returns its endpoint when it listens. stop
// ends all that was started and drops the database. The program also ends with ctx.
func (s *Server) Start(ctx context.Context, setting string) (endpoint string, stop func() error, err error) {
	var stops []func() error
	stop = func() (err error) {
		for i := len(stops) - 1; i >= 0; i-- {
			err = errors.Join(err, stops[i]())
		}
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, stop())
		}
	}()

	var database string // empty: the program creates a SQLite file
	nodes := 1
	if setting != SQLite {
		var drop func() error
		if database, drop, err = testdb.Database(ctx); err != nil {
			return "", nil, err
		}
		stops = append(stops, drop)
	}
	if setting == TwoNodes {
		nodes = 2
	}
	var endpoints []string
	for i := range nodes {
		logPath := filepath.Join(s.dir, fmt.Sprintf("%s %d.log", setting, i+1))
		p, err := start(ctx, s.binary, database, logPath)
		if err != nil {
			return "", nil, err
		}
		stops = append(stops, p.stop)
		endpoints = append(endpoints, p.endpoint)
	}
	if nodes == 1 {
		return endpoints[0], stop, nil
	}
	proxy := httptest.NewServer(inTurn(endpoints))
	stops = append(stops, func() error { proxy.CloseClientConnections(); proxy.Close(); return nil })
	return proxy.URL + "/mcp", stop, nil
}

// inTurn returns a proxy that alternates between nodes. It reads a request's body before it
// passes it on. Otherwise ReverseProxy reads the body's end once more after the node has
// all of it. A fast node has then begun its answer, the body is closed, and the answer is
// cut off.
func inTurn(endpoints []string) http.Handler {
	var requests atomic.Uint64
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,                         // streams
		ErrorLog:      log.New(io.Discard, "", 0), // of clients that hang up
		Rewrite: func(r *httputil.ProxyRequest) {
			turn := requests.Add(1) % uint64(len(endpoints))
			target, err := url.Parse(endpoints[turn])
			if err != nil {
				panic(err) // the program printed it, and it listens there
			}
			r.Out.URL = target
			r.Out.Host = target.Host
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "the request body could not be read", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	})
}
