package store_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/mcptasks/mcptasks/store"
)

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"postgres://user:hunter2@host:5432/db?sslmode=disable":        "postgres://user@host:5432/db?sslmode=disable",
		"postgresql://user:hunter%32@host/db":                         "postgresql://user@host/db",
		"postgres://user:hun%40ter%2F2@host/db":                       "postgres://user@host/db",
		"postgres://:hunter2@host/db":                                 "postgres://@host/db",
		"postgres://host/db?user=u&password=hunter2&pool_max_conns=4": "postgres://host/db?user=u&pool_max_conns=4",
		"postgres://host/db?pass%77ord=hunter2&sslpassword=hunter2":   "postgres://host/db",
		"postgres://user@host/db":                                     "postgres://user@host/db",
		"postgres:///db?host=/tmp/socket&port=5432":                   "postgres:///db?host=/tmp/socket&port=5432",
		"postgres://a:hunter2@one,two:5433/db":                        "postgres://a@one,two:5433/db",
		"postgres://a:hunter2@host/db#password=hunter2":               "postgres://a@host/db",
		"mysql://user:hunter2@host/db":                                "mysql://user@host/db",

		// The password has what should have been escaped in it.
		"postgres://user:hunter@2@host/db":   "postgres://user@host/db",
		"postgres://user:12/hunter2@host":    "postgres://(unreadable)",
		"postgres://user:12?hunter2@host":    "postgres://(unreadable)",
		"postgres://user:12#hunter2@host":    "postgres://(unreadable)",
		"postgres://user:h@1/hunter2@host":   "postgres://(unreadable)",
		"postgres://user:hunter2%zz@host":    "postgres://(unreadable)",
		"postgres://user:hunter2@[/tasks":    "postgres://(unreadable)",
		"postgres://user:hunter2 @host/db":   "postgres://(unreadable)",
		"postgres:user:hunter2@host/db":      "(unreadable)",
		"hunter2":                            "(unreadable)",
		"":                                   "(unreadable)",
		"host=h password=hunter2:x dbname=d": "host=h dbname=d",

		"host=h user=u password=hunter2 dbname=d":          "host=h user=u dbname=d",
		"host = h password = 'hunter2 \\' hunter2' port=1": "host=h port=1",
		"password=hun\\ hunter2 host=h":                    "host=h",
		"host='a b' password=hunter2":                      "host='a b'",
		"host=h password='hunter2":                         "(unreadable)",
		"host=h hunter2 password=x":                        "(unreadable)",

		"sqlite:path/to/file.db": "sqlite:path/to/file.db",
		"sqlite::memory:":        "sqlite::memory:",
	} {
		if got := store.Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}

// Whatever the password is, and however it is written, nothing of it is left.
func FuzzRedact(f *testing.F) {
	for _, password := range []string{"hunter2hunter2", "a:b@c/d?e#f&g=h", "' \\ '", "%zz%", "[::1]", "x y=z"} {
		f.Add(password)
	}
	f.Fuzz(func(t *testing.T, password string) {
		const rest = "postgres://user@host:5432/database?sslmode=disable host=host user=user (unreadable)"
		if len(password) < 4 || strings.Contains(rest, password) {
			t.Skip("it is in the rest as well")
		}
		quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(password)
		for _, database := range []string{
			"postgres://user:" + url.PathEscape(password) + "@host:5432/database?sslmode=disable",
			"postgres://user:" + url.QueryEscape(password) + "@host:5432/database?sslmode=disable",
			"postgres://user@host:5432/database?sslmode=disable&password=" + url.QueryEscape(password),
			"host=host password='" + quoted + "' user=user",
		} {
			got := store.Redact(database)
			for _, secret := range []string{password, url.PathEscape(password), url.QueryEscape(password), quoted} {
				if strings.Contains(got, secret) && !strings.Contains(rest, secret) {
					t.Errorf("Redact(%q) = %q", database, got)
				}
			}
		}
		if got := store.Redact("postgres://user:" + password + "@host"); strings.Contains(got, password) {
			t.Errorf("with the password as it is: %q of %q", got, password)
		}
	})
}
