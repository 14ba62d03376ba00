// Package schedule draws the faults of a chaos run and their times. The same seed,
// duration and lease give the same schedule.
package schedule

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Kinds of faults.
const (
	Kill      = "kill"       // SIGKILL; the process is started again after For
	Freeze    = "freeze"     // SIGSTOP for For
	Restart   = "restart"    // SIGTERM; started again when it has ended
	Refuse    = "refuse"     // connections to the database are cut and refused for For
	Blackhole = "blackhole"  // connections to the database stand still for For
	Fast      = "fast"       // pg_ctl restart -m fast
	Immediate = "immediate"  // pg_ctl restart -m immediate
	Terminate = "terminate"  // pg_terminate_backend of the node's connections
	DropFetch = "drop-fetch" // the reply to a fetch that brought jobs is lost
	DropReply = "drop-reply" // the reply to any statement is lost
)

// Database is the target of the database's faults.
const Database = "database"

// Fault is one fault of the schedule.
type Fault struct {
	At     time.Duration
	Kind   string
	Target string
	For    time.Duration
}

func (f Fault) String() string {
	return fmt.Sprintf("%9s %-10s %-9s %s", f.At.Round(time.Millisecond), f.Kind, f.Target, f.For.Round(time.Millisecond))
}

// Postgres returns the faults of a run with these working and serving nodes. Each target
// has its own sequence. Faults of different targets may overlap.
func Postgres(seed uint64, duration, lease time.Duration, workers, servers []string) []Fault {
	d := &drawer{rng: rand.New(rand.NewPCG(seed, 1)), duration: duration, lease: lease}
	n := time.Duration(len(workers))
	for _, worker := range workers {
		d.sequence(worker, d.bag(
			kinds{Kill, 90 / float64(n)},
			kinds{Freeze, 28 / float64(n)},
			kinds{Restart, 6 / float64(n)},
		))
	}
	for _, server := range servers {
		d.sequence(server, d.bag(kinds{Kill, 5}, kinds{Freeze, 3}, kinds{Restart, 2}))
	}
	d.sequence(Database, d.bag(kinds{Refuse, 2}, kinds{Blackhole, 2}, kinds{Fast, 2}, kinds{Immediate, 2}))
	nodes := slices.Concat(workers, servers)
	for range d.count(40) {
		d.add(Fault{At: d.anywhere(), Kind: Terminate, Target: nodes[d.rng.IntN(len(nodes))]})
	}
	for range d.count(60) {
		d.add(Fault{At: d.anywhere(), Kind: DropFetch, Target: workers[d.rng.IntN(len(workers))]})
	}
	for range d.count(90) {
		d.add(Fault{At: d.anywhere(), Kind: DropReply, Target: nodes[d.rng.IntN(len(nodes))]})
	}
	for _, worker := range workers { // no later fault would hide that a lost fetch is not repaired
		d.add(Fault{At: duration - time.Second, Kind: DropFetch, Target: worker})
	}
	return d.sorted()
}

// SQLite returns the faults of a run of one process.
func SQLite(seed uint64, duration, lease time.Duration, process string) []Fault {
	d := &drawer{rng: rand.New(rand.NewPCG(seed, 2)), duration: duration, lease: lease}
	d.sequence(process, d.bag(kinds{Kill, 75}, kinds{Freeze, 4}, kinds{Restart, 5}))
	return d.sorted()
}

type drawer struct {
	rng             *rand.Rand
	duration, lease time.Duration
	faults          []Fault
}

// kinds says how often a kind of fault occurs in five minutes.
type kinds struct {
	kind string
	n    float64
}

// count scales a number to the run's duration, at least 1.
func (d *drawer) count(n float64) int {
	return max(1, int(math.Ceil(n*float64(d.duration)/float64(5*time.Minute))))
}

// bag returns the kinds, as many as the duration needs, in random order.
func (d *drawer) bag(of ...kinds) []string {
	var bag []string
	for _, k := range of {
		for range d.count(k.n) {
			bag = append(bag, k.kind)
		}
	}
	d.rng.Shuffle(len(bag), func(i, j int) { bag[i], bag[j] = bag[j], bag[i] })
	return bag
}

// sequence spreads the faults of one target over the run, except its last two seconds.
func (d *drawer) sequence(target string, bag []string) {
	const first = time.Second
	slot := (d.duration - first - 2*time.Second) / time.Duration(len(bag))
	for i, kind := range bag {
		at := first + time.Duration(i)*slot + time.Duration(d.rng.Float64()*0.4*float64(slot))
		d.add(Fault{At: at, Kind: kind, Target: target, For: d.lasting(kind)})
	}
}

func (d *drawer) lasting(kind string) time.Duration {
	between := func(from, to time.Duration) time.Duration { return from + time.Duration(d.rng.Int64N(int64(to-from))) }
	switch kind {
	case Kill:
		return between(50*time.Millisecond, 800*time.Millisecond)
	case Freeze, Refuse, Blackhole:
		return between(d.lease+d.lease/6, 2*d.lease)
	default:
		return 0
	}
}

func (d *drawer) anywhere() time.Duration {
	return time.Second + time.Duration(d.rng.Int64N(int64(d.duration-2*time.Second)))
}

func (d *drawer) add(f Fault) { d.faults = append(d.faults, f) }

func (d *drawer) sorted() []Fault {
	slices.SortStableFunc(d.faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	return d.faults
}
