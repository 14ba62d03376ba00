package work

import (
	"fmt"
	"os"
	"testing"
	"testing/synctest"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/examples/split/tools"
	"github.com/mcptasks/mcptasks/tasktest"
)

// TestShip kills the worker after each step in turn. No step is done twice.
func TestShip(t *testing.T) {
	for _, after := range []string{"pick", "pack", "label"} {
		t.Run(after, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				task := tasktest.New(t, tools.New(Ship)).Task("ship", tools.Order{Number: 7, Item: "tea"})
				task.KillAfter(after)
				task.Run()
				task.Run()
				if task.Status() != mcptasks.StatusCompleted {
					t.Fatalf("the task is %s", task.Status())
				}
				for _, step := range []string{"pick", "pack", "label"} {
					if n := task.StepRuns(step); n != 1 {
						t.Errorf("%s was done %d times", step, n)
					}
				}
				us := Process(os.Getpid())
				if got, want := fmt.Sprint(task.Result().StructuredContent), fmt.Sprintf("map[doneBy:[%s %s %s] tracking:parcel 7]", us, us, us); got != want {
					t.Errorf("the receipt is %s, want %s", got, want)
				}
			})
		})
	}
}
