// Command migrate creates the tables that the other processes need, before they start:
// those of mcptasks, in a schema of their own, and the program's own.
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

// ours are the program's own tables. A real program has migrations for them.
const ours = `
CREATE TABLE IF NOT EXISTS orders (
	number  bigint PRIMARY KEY,
	item    text NOT NULL,
	task_id text NOT NULL UNIQUE
)`

func main() {
	flag.Parse() // it has no flags, but answers -help
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
