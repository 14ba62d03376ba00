//go:build !unix

package testdb

import (
	"context"
	"errors"
)

func startCluster(context.Context, string, durability) (server, error) {
	return server{}, errors.New("a throwaway cluster needs a Unix system")
}
