package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/mcptasks/mcptasks"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// List returns a page of the owner's tasks; see [mcptasks.Runner].
func (s *Store[TTx]) List(ctx context.Context, owner mcptasks.Owner, cursor string, limit int) (_ *mcptasks.Page, err error) {
	defer s.op(ctx, "list", 0).end(&err)
	page, err := s.list(ctx, Filter{Owner: owner}, cursor, limit)
	if err != nil {
		return nil, wrap("list", "", err)
	}
	return page, nil
}

func (s *Store[TTx]) list(ctx context.Context, filter Filter, cursor string, limit int) (*mcptasks.Page, error) {
	if limit == 0 {
		limit = defaultPage
	}
	if limit < 1 || limit > maxPage || !storable(string(filter.Owner)) {
		return nil, fmt.Errorf("%w: a page has 1 to %d tasks", mcptasks.ErrInvalid, maxPage)
	}
	if cursor != "" {
		after, err := decodeCursor(filter, cursor)
		if err != nil {
			return nil, err
		}
		filter.After = after
	}
	filter.Limit = limit + 1 // one more tells whether another page follows
	tasks, err := s.driver.List(ctx, filter, s.now())
	if err != nil {
		return nil, err
	}
	page := &mcptasks.Page{Tasks: tasks}
	if len(tasks) > limit {
		page.Tasks = tasks[:limit]
		last := page.Tasks[limit-1]
		page.Next = encodeCursor(filter, Position{CreatedAt: last.CreatedAt, ID: last.ID})
	}
	for _, task := range page.Tasks {
		reportTTL(task)
	}
	return page, nil
}

// A cursor is a position and whose list it is in, so that another owner's is
// refused. It gives nothing away that its holder has not seen.
const cursorOwnerBytes = 8

func encodeCursor(filter Filter, at Position) string {
	data := binary.BigEndian.AppendUint64(cursorOwner(filter), uint64(at.CreatedAt.UnixMicro())) //nolint:gosec // read back as it was
	return base64.RawURLEncoding.EncodeToString(append(data, at.ID...))
}

func decodeCursor(filter Filter, cursor string) (Position, error) {
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(data) < cursorOwnerBytes+8 ||
		string(data[:cursorOwnerBytes]) != string(cursorOwner(filter)) || !isTaskID(string(data[cursorOwnerBytes+8:])) {
		return Position{}, fmt.Errorf("%w: unknown cursor", mcptasks.ErrInvalid)
	}
	micros := int64(binary.BigEndian.Uint64(data[cursorOwnerBytes:])) //nolint:gosec // as it was written
	return Position{CreatedAt: time.UnixMicro(micros).UTC(), ID: string(data[cursorOwnerBytes+8:])}, nil
}

func cursorOwner(filter Filter) []byte {
	hash := sha256.Sum256(fmt.Appendf(nil, "%t %s", filter.AnyOwner, filter.Owner))
	return hash[:cursorOwnerBytes]
}
