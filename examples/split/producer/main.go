// Command producer stores orders and creates a task for each, with its own pool and in its
// own transactions. Either both the order and its task exist or neither does, even if the
// producer is killed. It needs no outbox for that.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/examples/split/tools"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store/postgres"
)

func main() {
	first := flag.Int64("first", 1, "number of the first order")
	count := flag.Int64("count", 10, "how many orders to store")
	every := flag.Duration("every", 0, "how long to wait after each order")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *first, *count, *every); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, first, count int64, every time.Duration) error {
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer pool.Close()
	driver, err := postgres.New(pool, "")
	if err != nil {
		return err
	}
	defer driver.Close()
	tasks, err := runner.New(ctx, driver, tools.New(nil), nil)
	if err != nil {
		return err
	}
	defer tasks.Close()

	for number := first; number < first+count; number++ {
		id, err := store(ctx, pool, tasks, tools.Order{Number: number, Item: fmt.Sprint("item ", number)})
		switch {
		case errors.Is(err, errDuplicate):
			fmt.Printf("order %d exists already: neither an order nor a task was added\n", number)
		case err != nil:
			return err
		default:
			fmt.Printf("order %d is task %s\n", number, id)
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

var errDuplicate = errors.New("the order exists already")

// store stores the order and creates its task in one transaction, and returns the task's
// id after the commit. It returns errDuplicate, and creates no task, if the order exists.
func store(ctx context.Context, pool *pgxpool.Pool, tasks *runner.Runner[pgx.Tx], order tools.Order) (id string, err error) {
	arguments, err := json.Marshal(order)
	if err != nil {
		return "", err
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		// With authentication the owner is the user who may ask for the task.
		task, err := tasks.CreateTx(ctx, tx, "", mcptasks.CreateParams{Tool: "ship", Arguments: arguments})
		if err != nil {
			return err
		}
		id = task.ID
		_, err = tx.Exec(ctx, `INSERT INTO orders (number, item, task_id) VALUES ($1, $2, $3)`, order.Number, order.Item, id)
		return err
	})
	var violation *pgconn.PgError
	if errors.As(err, &violation) && violation.Code == "23505" { // unique_violation
		return "", errDuplicate
	}
	return id, err
}
