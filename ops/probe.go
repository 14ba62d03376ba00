package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Probe returns nil if the process that serves a [Handler] on the TCP address is ready, and
// otherwise an error with the reason. It is for the health check of a container that has
// only the program, without a shell or curl: the program probes itself. An address without
// a host, such as ":9090", is on this machine. Probe waits at most five seconds, or until
// ctx ends.
func Probe(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // without a proxy, since the address is local
	response, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	line, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	switch {
	case response.StatusCode == http.StatusServiceUnavailable:
		return errors.New(strings.TrimSpace(string(line)))
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answers %s: it does not serve ops.Handler", addr, response.Status)
	}
	return err
}
