// Package store has what an operator asks a database of tasks for and reads of it, and
// [Redact]. Its subpackages postgres and sqlite make the drivers that
// [github.com/mcptasks/mcptasks/runner.New] takes. Importing one of them, if only for its
// side effect, lets runner.Open open URLs of that database.
//
// The package knows neither SQL nor River: the rules are in internal/taskstore, and the
// set of databases is closed. Its types may get more fields in a minor version.
package store
