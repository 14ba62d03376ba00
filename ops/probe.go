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

// Probe asks the process that serves a [Handler] on the TCP address whether it is
// ready, and returns nil if it is. It is the health check of a container that holds
// the program alone, with no shell and no curl: the program probes itself. An address
// without a host, ":9090", means this machine. Probe gives up when ctx ends, and
// after five seconds.
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
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // which knows no proxy: this is next door
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
		return fmt.Errorf("%s answers %s: no probes are served there", addr, response.Status)
	}
	return err
}
