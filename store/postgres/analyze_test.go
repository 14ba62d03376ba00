package postgres

import "testing"

// The table of jobs is analyzed when it has become large beside what the database knows
// of it, and not again before it has grown as much once more.
func TestAnalyzeJobs(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		d := openEmpty(t)
		analyzed := func(want bool) {
			t.Helper()
			got, err := d.AnalyzeJobs(t.Context())
			if err != nil || got != want {
				t.Errorf("it was analyzed: %t, %v, want %t", got, err, want)
			}
		}
		analyzed(false)
		d.insertMany(t, 20)
		analyzed(false)
		d.insertMany(t, 2980)
		analyzed(true)
		known := 0
		err := d.pool.QueryRow(t.Context(), d.sql(`SELECT reltuples::int FROM pg_class WHERE oid = '{s}.river_job'::regclass`)).Scan(&known)
		if err != nil || known != 3000 {
			t.Errorf("the database knows of %d jobs, %v, want 3000", known, err)
		}
		d.insertMany(t, 3000)
		analyzed(false)
	})
}
