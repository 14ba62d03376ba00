package testdb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
)

const (
	dockerImage    = "postgres:17-alpine"
	dockerPatience = 3 * time.Second // for the engine's first answer
)

// silence keeps testcontainers from telling the world that an engine is missing. Its logger is a plain variable.
var silence = sync.OnceFunc(func() { log.SetDefault(log.NewNoopLogger()) })

// startContainer runs Postgres in Docker. testcontainers removes the container when this process ends, however it ends.
func startContainer(ctx context.Context, d durability) (server, error) {
	silence()
	if err := dockerAnswers(ctx); err != nil {
		return server{}, fmt.Errorf("docker: %w", err)
	}
	ctr, err := postgres.Run(ctx, dockerImage,
		testcontainers.WithCmd("postgres", "-c", "fsync="+d.fsync(), "-c", "max_connections=300"),
		postgres.BasicWaitStrategies())
	stop := func() { _ = testcontainers.TerminateContainer(ctr) }
	if err != nil {
		stop()
		return server{}, fmt.Errorf("docker: %w", err)
	}
	url, err := ctr.ConnectionString(ctx, "sslmode=disable")
	if err != nil {
		stop()
		return server{}, fmt.Errorf("docker: %w", err)
	}
	return server{url: url, stop: stop}, nil
}

// dockerAnswers reports, within dockerPatience, why no engine can be used. Finding the engine takes no context, hence
// the goroutine: it outlives this call only if an engine is configured that accepts and stays silent.
func dockerAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, dockerPatience, errors.New("the engine did not answer in time"))
	defer cancel()
	healthy := make(chan error, 1)
	go func() {
		provider, err := testcontainers.NewDockerProvider()
		if err == nil {
			err = provider.Health(ctx)
		}
		healthy <- err
	}()
	select {
	case err := <-healthy:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
