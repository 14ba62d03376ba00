package mcptasks_test

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/question"
)

// memory is a journal in memory. With an error it rejects all steps and questions.
type memory struct {
	mu        sync.Mutex
	steps     map[string]json.RawMessage
	questions map[string]question.Question
	parks     int
	reports   []progressReport
	err       error
}

type progressReport struct {
	done, total float64
	message     string
}

func (m *memory) Report(done, total float64, message string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reports = append(m.reports, progressReport{done, total, message})
}

func (m *memory) SaveStep(_ context.Context, key string, result json.RawMessage, _ time.Time) (json.RawMessage, error) {
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

func (m *memory) Park(_ context.Context, questions map[string]question.Question) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if m.questions == nil {
		m.questions = make(map[string]question.Question)
	}
	for key, q := range questions {
		if _, ok := m.questions[key]; !ok {
			m.questions[key] = q
		}
	}
	m.parks++
	return mcptasks.ErrParked
}
