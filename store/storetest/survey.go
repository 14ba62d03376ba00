package storetest

import (
	"github.com/mcptasks/mcptasks"
)

func surveyTests[TTx any]() []test[TTx] {
	return []test[TTx]{
		{"of a sound database", func(f *fixture[TTx]) {
			f.begin()
			survey, err := f.store.Operator().Survey(f.ctx)
			f.must(err)
			equal(f.T, "the number of working tasks", survey.Tasks[mcptasks.StatusWorking], 1)
		}},
	}
}
