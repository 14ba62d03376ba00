package testdb

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
)

// server is a running Postgres: the URL of its maintenance database, and what removes it.
type server struct {
	url  string
	stop func()
}

// durability says whether a server that is started syncs its writes to disk.
type durability bool

const (
	durable durability = true
	hasty   durability = false
)

func (d durability) fsync() string {
	if d {
		return "on"
	}
	return "off"
}

// sources are the places a server may come from; tests replace them.
type sources struct {
	getenv   func(string) string
	docker   func(context.Context, durability) (server, error)
	binaries func() (dir string, err error)
}

var host = sources{getenv: os.Getenv, docker: startContainer, binaries: findBinaries}

// open returns a server from the first source that has one. Its error is one line and says what to do.
func (s sources) open(ctx context.Context, d durability) (server, error) {
	if url := s.getenv(envURL); url != "" {
		return server{url: url, stop: func() {}}, nil
	}
	srv, dockerErr := s.docker(ctx, d)
	if dockerErr == nil {
		srv.stop = sync.OnceFunc(srv.stop)
		return srv, nil
	}
	bin, err := s.binaries()
	if err == nil {
		if srv, err = startCluster(ctx, bin, d); err == nil {
			srv.stop = sync.OnceFunc(srv.stop)
			return srv, nil
		}
	}
	return server{}, fmt.Errorf("no Postgres: %s (%s; %s)", hint, oneLine(dockerErr), oneLine(err))
}

func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), " | ")
}
