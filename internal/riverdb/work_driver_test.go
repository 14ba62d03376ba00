package riverdb

import (
	"reflect"
	"testing"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// River does not complete again what a finish has completed. All else it does, as it
// wants to.
func TestCompletedJobs(t *testing.T) {
	var completed CompletedJobs
	completed.Add([]int64{1, 3, 4})
	completed.Add([]int64{6})
	now := time.Now()
	attempt := func(n int) *int { return &n }
	all := func() *riverdriver.JobSetStateIfRunningManyParams {
		return &riverdriver.JobSetStateIfRunningManyParams{
			ID:              []int64{1, 2, 3, 4, 5},
			Attempt:         []*int{nil, nil, attempt(3), nil, nil},
			ErrData:         [][]byte{nil, nil, nil, nil, []byte(`{}`)},
			FinalizedAt:     []*time.Time{&now, &now, nil, &now, &now},
			MetadataDoMerge: []bool{false, false, false, true, false},
			MetadataUpdates: [][]byte{nil, nil, nil, []byte(`{"a":1}`), nil},
			ScheduledAt:     []*time.Time{nil, nil, &now, nil, nil},
			State: []rivertype.JobState{
				rivertype.JobStateCompleted, rivertype.JobStateCompleted, rivertype.JobStateScheduled, rivertype.JobStateCompleted, rivertype.JobStateCancelled,
			},
			Now: &now, Schema: "s",
		}
	}
	want := all()
	want.ID, want.Attempt, want.ErrData, want.FinalizedAt = want.ID[1:], want.Attempt[1:], want.ErrData[1:], want.FinalizedAt[1:]
	want.MetadataDoMerge, want.MetadataUpdates = want.MetadataDoMerge[1:], want.MetadataUpdates[1:]
	want.ScheduledAt, want.State = want.ScheduledAt[1:], want.State[1:]
	if got := completed.remaining(all()); !reflect.DeepEqual(got, want) {
		t.Errorf("River is left %+v, want %+v", got, want)
	}
	if got := completed.remaining(all()); !reflect.DeepEqual(got, all()) {
		t.Errorf("of jobs that it has dealt with River is left %+v, want all", got)
	}
	if len(completed.ids) != 1 {
		t.Errorf("still kept: %v, want 6 alone", completed.ids)
	}
}
