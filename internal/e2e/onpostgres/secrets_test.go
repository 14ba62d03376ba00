package onpostgres

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcptasks/mcptasks"
	"github.com/mcptasks/mcptasks/migrations"
	"github.com/mcptasks/mcptasks/runner"
	"github.com/mcptasks/mcptasks/store"
	"github.com/mcptasks/mcptasks/store/postgres"
)

const password = "hunter:2/&p@ss"

// secrets is the password in every way it may be written.
var secrets = []string{password, url.QueryEscape(password), url.PathEscape(password), "hunter"}

func mentions(text string) bool {
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			return true
		}
	}
	return false
}

// refusing is a server that says of every password that it is wrong.
func refusing(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				server := pgproto3.NewBackend(conn, conn)
				if _, err := server.ReceiveStartupMessage(); err != nil {
					return
				}
				server.Send(&pgproto3.AuthenticationCleartextPassword{})
				if server.Flush() != nil || server.SetAuthType(pgproto3.AuthTypeCleartextPassword) != nil {
					return
				}
				if _, err := server.Receive(); err != nil {
					return
				}
				server.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: `password authentication failed for user "user"`})
				_ = server.Flush()
			}()
		}
	}()
	return listener.Addr().String()
}

// TestNoErrorHoldsThePassword opens what cannot be opened, by every way to write a
// password.
func TestNoErrorHoldsThePassword(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		host, port, _ := strings.Cut(refusing(t), ":")
		escaped := url.QueryEscape(password)
		for name, test := range map[string]struct{ url, want string }{
			"unreachable":                  {"postgres://user:" + escaped + "@127.0.0.1:1/tasks", "port 1"},
			"unreachable, postgresql":      {"postgresql://user:" + escaped + "@127.0.0.1:1/tasks", "port 1"},
			"unreachable, in the query":    {"postgres://user@127.0.0.1:1/tasks?password=" + escaped, "port 1"},
			"unreachable, in path escapes": {"postgres://user:" + url.PathEscape(password) + "@127.0.0.1:1/tasks", ""},
			"wrong":                        {"postgres://user:" + escaped + "@" + host + ":" + port + "/tasks?sslmode=disable", "user and the password"},
			"wrong, in the query":          {"postgresql://user@" + host + ":" + port + "/tasks?sslmode=disable&password=" + escaped, "user and the password"},
			"not escaped":                  {"postgres://user:" + password + "@127.0.0.1:1/tasks", ""},
			"bad host":                     {"postgres://user:" + escaped + "@[/tasks", "cannot be read"},
			"bad escape":                   {"postgres://user:" + password + "%zz@127.0.0.1:1/tasks", "cannot be read"},
			"bad port":                     {"postgres://user:" + escaped + "@127.0.0.1:port/tasks", "cannot be read"},
			"bad parameter":                {"postgres://user:" + escaped + "@127.0.0.1:1/tasks?pool_max_conns=many", "cannot be read"},
			"bad TLS":                      {"postgres://user:" + escaped + "@127.0.0.1:1/tasks?sslmode=perhaps", "cannot be read"},
			"no slashes":                   {"postgres:user:" + password + "@127.0.0.1:1/tasks", "cannot be read"},
			"no scheme":                    {password, "has no scheme"},
			"no scheme, with a colon":      {"user:" + password, ""},
			"keywords":                     {"host=127.0.0.1 port=1 password=" + password, "has no scheme"},
		} {
			_, err := runner.Open(ctx, test.url, tools(), nil)
			if err == nil || mentions(err.Error()) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v; want %q and no password", name, err, test.want)
			}
			if redacted := store.Redact(test.url); mentions(redacted) {
				t.Errorf("%s: redacted to %s", name, redacted)
			}
		}
		for name, dsn := range map[string]string{
			"unreachable": "host=127.0.0.1 port=1 user=user password='" + password + "'",
			"wrong":       "host=" + host + " port=" + port + " user=user sslmode=disable password='" + password + "'",
			"malformed":   "host=127.0.0.1 password='" + password,
		} {
			if _, err := postgres.Open(ctx, dsn, ""); err == nil || mentions(err.Error()) {
				t.Errorf("keywords, %s: %v", name, err)
			}
		}
	})
}

// TestNoLogHoldsThePassword looks at all that a node logs that loses its connections
// and its tables.
func TestNoLogHoldsThePassword(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		ctx := t.Context()
		direct := open(t)
		u, err := url.Parse(direct)
		if err != nil {
			t.Fatal(err)
		}
		if _, asked := u.User.Password(); !asked {
			u.User = url.UserPassword(u.User.Username(), password)
		}
		u.RawQuery += "&sslpassword=" + url.QueryEscape(password) // that no server asks for
		var log buffer
		node := node(t, u.String(), func(context.Context, *mcptasks.Run, struct{}) (*mcp.CallToolResult, any, error) {
			return nil, nil, nil
		}, nil, runner.Config{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		pool := poolOf(t, direct)
		for range 3 {
			if _, err := pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mcptasks' AND datname = current_database()`); err != nil {
				t.Fatal(err)
			}
			for { // until there is a connection again
				task, err := node.Create(ctx, "", mcptasks.CreateParams{Tool: "tool"})
				if err == nil {
					end(t, node, task.ID)
					break
				}
				if ctx.Err() != nil || mentions(err.Error()) {
					t.Fatal(err)
				}
			}
		}
		driver, err := postgres.Open(ctx, u.String(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer driver.Close()
		if err := migrations.Down(ctx, driver); err != nil {
			t.Fatal(err)
		}
		if _, err := node.Create(ctx, "", mcptasks.CreateParams{Tool: "tool"}); err == nil || mentions(err.Error()) {
			t.Errorf("without tables: %v", err)
		}
		if err := migrations.Up(ctx, driver); err != nil { // for Close
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "level=WARN") && !strings.Contains(log.String(), "level=ERROR") {
			t.Error("nothing was logged: the test shows nothing")
		}
		if mentions(log.String()) {
			t.Errorf("the log holds the password:\n%s", log.String())
		}
	})
}

// buffer is a bytes.Buffer for concurrent use.
type buffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}
