package runner

import (
	"context"
	"testing"
	"time"

	"github.com/mcptasks/mcptasks/internal/config"
	"github.com/mcptasks/mcptasks/internal/taskstore"
	"github.com/mcptasks/mcptasks/store"
)

type surveyed struct {
	taskstore.Operator
	survey store.Survey
}

func (s surveyed) Survey(context.Context) (*store.Survey, error) { return &s.survey, nil }

// A node counts as alive in the metrics for as long as the other nodes treat it as alive.
func TestFiguresUseTheLease(t *testing.T) {
	const lease = 21 * time.Second
	operator := surveyed{survey: store.Survey{Nodes: []store.NodeSeen{{Silent: 0}, {Silent: lease}, {Silent: lease + 1}}}}
	figures := figures(&config.Config{HeartbeatInterval: lease / 3}, operator)(t.Context())
	if figures == nil || figures.Nodes != 2 {
		t.Errorf("the figures are %+v, want two nodes", figures)
	}
}
