package riverdb

import (
	"slices"

	"github.com/riverqueue/river"
)

// droppedIndexes are indexes of River's that our Postgres migrations 3 and 5 drop: they
// cost each write of a job, and no statement that a node runs uses them.
var droppedIndexes = []string{"river_job_args_index", "river_job_metadata_index", "river_job_kind"}

// ReindexerIndexNames returns the indexes that River's reindexer is to rebuild: it fails
// on one that does not exist.
func ReindexerIndexNames() []string {
	return slices.DeleteFunc(river.ReindexerIndexNamesDefault(), func(index string) bool {
		return slices.Contains(droppedIndexes, index)
	})
}
