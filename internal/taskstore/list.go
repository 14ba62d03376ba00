package taskstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/internal/taskstore/driver"
	"github.com/mcptasks/mcptasks/internal/telemetry"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// List returns a page of the owner's tasks; see [mcptasks.Runner].
func (s *Store[TTx]) List(ctx context.Context, owner mcptasks.Owner, cursor string, limit int) (_ *mcptasks.Page, err error) {
	defer s.op(ctx, telemetry.OpList, 0).end(&err)
	page, err := s.list(ctx, driver.Filter{Owner: owner, Before: idGreater}, cursor, limit)
	if err != nil {
		return nil, wrap("list", "", err)
	}
	return page, nil
}

func (s *Store[TTx]) list(ctx context.Context, filter driver.Filter, cursor string, limit int) (*mcptasks.Page, error) {
	if limit == 0 {
		limit = defaultPage
	}
	if limit < 1 || limit > maxPage || !storable(string(filter.Owner)) {
		return nil, fmt.Errorf("%w: a page has 1 to %d tasks", mcptasks.ErrInvalid, maxPage)
	}
	if cursor != "" {
		last, err := decodeCursor(filter, cursor)
		if err != nil {
			return nil, err
		}
		filter.Before = min(filter.Before, last)
	}
	filter.Limit = limit + 1 // one more tells whether another page follows
	tasks, err := s.driver.List(ctx, filter, s.now())
	if err != nil {
		return nil, err
	}
	page := &mcptasks.Page{Tasks: tasks}
	if len(tasks) > limit {
		page.Tasks = tasks[:limit]
		page.Next = encodeCursor(filter, page.Tasks[limit-1].ID)
	}
	for _, task := range page.Tasks {
		reportTTL(task)
	}
	return page, nil
}

// A cursor is the last task of a page and whose list it is in, so that another
// owner's is refused. It gives nothing away that its holder has not seen.
const cursorOwnerBytes = 8

func encodeCursor(filter driver.Filter, last string) string {
	return base64.RawURLEncoding.EncodeToString(append(cursorOwner(filter), last...))
}

func decodeCursor(filter driver.Filter, cursor string) (last string, err error) {
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(data) < cursorOwnerBytes ||
		string(data[:cursorOwnerBytes]) != string(cursorOwner(filter)) || !isTaskID(string(data[cursorOwnerBytes:])) {
		return "", fmt.Errorf("%w: unknown cursor", mcptasks.ErrInvalid)
	}
	return string(data[cursorOwnerBytes:]), nil
}

func cursorOwner(filter driver.Filter) []byte {
	hash := sha256.Sum256(fmt.Appendf(nil, "%t %s", filter.AnyOwner, filter.Owner))
	return hash[:cursorOwnerBytes]
}
