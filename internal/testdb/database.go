package testdb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

var databases atomic.Int64

// Database returns the URL of a new, empty database for a program that proves
// something, and a function that drops it, with the server if that was started for it.
// The server is one of those that Server returns.
func Database(ctx context.Context) (databaseURL string, drop func() error, err error) {
	serverURL, stopServer, err := Server(ctx)
	if err != nil {
		return "", nil, err
	}
	name := fmt.Sprintf("mcptasks_proof_%d_%d", os.Getpid(), databases.Add(1))
	drop = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		defer stopServer()
		return execute(ctx, serverURL, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	}
	if err := execute(ctx, serverURL, "CREATE DATABASE "+name); err != nil {
		return "", nil, errors.Join(err, drop())
	}
	parsed, err := url.Parse(serverURL)
	if err != nil {
		return "", nil, errors.Join(err, drop())
	}
	parsed.Path = "/" + name
	return parsed.String(), drop, nil
}

func execute(ctx context.Context, databaseURL, sql string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}
