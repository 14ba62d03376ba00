package mcptasks_test

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/mcptasks/mcptasks"
)

// memory is a journal in memory. Its error, if set, refuses every step.
type memory struct {
	mu      sync.Mutex
	steps   map[string]json.RawMessage
	reports []mcptasks.Progress
	err     error
}

func (m *memory) Report(p mcptasks.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reports = append(m.reports, p)
}

func (m *memory) SaveStep(_ context.Context, key string, result json.RawMessage) (json.RawMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	if m.steps == nil {
		m.steps = make(map[string]json.RawMessage)
	}
	if _, ok := m.steps[key]; !ok {
		m.steps[key] = result
	}
	return m.steps[key], nil
}
