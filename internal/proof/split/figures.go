//go:build unix

package main

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

var finishesLine = regexp.MustCompile(`(?m)^mcptasks_task_finishes_total\{(.*)\} (\d+)$`)

// finishes returns the number of finished tasks in a process's /metrics.
func finishes(ctx context.Context, addr string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, line := range finishesLine.FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(line[1], `tool="ship"`) && strings.Contains(line[1], `outcome="completed"`) {
			n, err := strconv.Atoi(line[2])
			if err != nil {
				return 0, err
			}
			sum += n
		}
	}
	return sum, nil
}
