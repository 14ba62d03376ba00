# keeper.sh BIN DIR: keeps a throwaway Postgres in DIR for as long as standard input stays open.
#
# The process that wants the server holds the other end of that pipe and nobody else does, so the server stops and DIR
# goes whichever way that process ends. Prints "ready" once the server accepts connections, or what went wrong.

bin=$1
dir=$2

trap '' PIPE # whom we would tell may be gone
trap 'exit 1' HUP INT TERM
trap finish EXIT

finish() {
	"$bin/pg_ctl" stop -D "$dir/data" -m immediate >/dev/null 2>&1
	wait # reaps the server, which an init that does not would leave a zombie
	cd /
	rm -rf "$dir"
}

start() {
	"$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync || return
	cat "$dir/settings.conf" >>"$dir/data/postgresql.conf" || return
	"$bin/postgres" -D "$dir/data" &
	until grep -q '^ready' "$dir/data/postmaster.pid"; do # as pg_ctl finds out
		kill -0 $! || return
		sleep 0.05
	done
}

start >"$dir/log" 2>&1 </dev/null || {
	tail -n 5 "$dir/log"
	exit 1
}
echo ready
exec >/dev/null # the reader waits for the end of our output
read -r _
