package session

import (
	"strconv"
	"testing"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/sdkserver"
	"github.com/mcptasks/mcptasks/mcpserver/internal/pushstream"
	"github.com/mcptasks/mcptasks/mcpserver/internal/service"
	"github.com/mcptasks/mcptasks/mcpserver/internal/sideband"
)

// A session follows at most maxFollowed live tasks: its client may ask for any number.
func TestMaxFollowed(t *testing.T) {
	stream := pushstream.New(t.Context())
	ctx := sideband.NewContext(t.Context(), &sideband.Request{
		Sideband: &sideband.Sideband{Stream: func() *pushstream.Stream { return stream }},
	})
	client, err := sdkserver.New().NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s := New(&service.Service{}).Of(ctx, client)
	task := func(n int) *mcptasks.Task {
		return &mcptasks.Task{ID: strconv.Itoa(n), Status: mcptasks.StatusWorking}
	}
	for n := range maxFollowed {
		s.Follow("alice", task(n), true)
	}
	s.Follow("alice", task(maxFollowed), true)
	if created, _ := s.has("alice", strconv.Itoa(maxFollowed)); created || len(s.tasks) != maxFollowed {
		t.Errorf("%d tasks are followed, want %d", len(s.tasks), maxFollowed)
	}

	// A task that has ended makes room for another.
	ended := task(0)
	ended.Status = mcptasks.StatusCompleted
	s.Follow("alice", ended, false)
	s.Follow("alice", task(maxFollowed), true)
	if created, _ := s.has("alice", strconv.Itoa(maxFollowed)); !created || len(s.tasks) != maxFollowed {
		t.Errorf("after one has ended %d tasks are followed, want %d with the newest", len(s.tasks), maxFollowed)
	}
}
