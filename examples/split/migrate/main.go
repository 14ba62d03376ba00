// Command migrate brings a database up, once, before the other processes start: the
// tables of mcptasks, in a schema of their own, and the program's.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/store/postgres"
)

// ours are the program's own tables, which know nothing of mcptasks. A real program
// has migrations of its own.
const ours = `
CREATE TABLE IF NOT EXISTS orders (
	number  bigint PRIMARY KEY,
	item    text NOT NULL,
	task_id text NOT NULL UNIQUE
)`

func main() {
	flag.Parse() // there are none
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := migrate(ctx, os.Getenv("DATABASE_URL")); err != nil {
		log.Fatal(err)
	}
	log.Print("the database is up to date")
}

func migrate(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	driver, err := postgres.New(pool, "")
	if err != nil {
		return err
	}
	defer driver.Close()
	if err := migrations.Up(ctx, driver); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, ours)
	return err
}
