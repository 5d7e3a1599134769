package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/test/binary"
	"github.com/polyglot-media/siren/test/cluster"
	"github.com/polyglot-media/siren/test/faults/verdict"
)

// sirenPath is the siren under test, and builtVar has it where the tests run once more, as root.
var sirenPath string

const builtVar = "SIREN_FAULTS_BUILT"

func TestMain(m *testing.M) {
	ctx := context.Background()
	if sirenPath = os.Getenv(builtVar); sirenPath != "" {
		code, done := cluster.AsRoot(nil, nil)
		if !done {
			code = m.Run()
		}
		os.Exit(code)
	}
	dir, err := os.MkdirTemp("", "siren-faults-build-")
	if err == nil {
		sirenPath, err = build(ctx, dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code, done := cluster.AsRoot(nil, []string{builtVar + "=" + sirenPath})
	if !done {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// testOptions returns the options of a run in a test: the seed that FAULTS_SEED names, and the queue type that all
// tests have.
func testOptions(t *testing.T, nodes int, duration time.Duration) options {
	t.Helper()
	if err := binary.Watch("../.."); err != nil {
		t.Fatal(err)
	}
	o := options{
		duration: duration, seed: 5, nodes: nodes, rate: 3, queueType: lanes.Classic, output: "table", siren: sirenPath,
		log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if nodes > 1 {
		o.seed = 7 // by which nodes hang and are cut off early
	}
	if text := os.Getenv("FAULTS_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("FAULTS_SEED: %v", err)
		}
		o.seed = seed
	}
	if v := os.Getenv("SIREN_TEST_QUEUE_TYPE"); v != "" {
		o.queueType = v
	}
	if nodes > 1 {
		o.queueType = lanes.Quorum
	}
	if err := o.check(); err != nil {
		t.Fatal(err)
	}
	return o
}

// pass does a run, prints its report, and fails on a broken promise.
func pass(t *testing.T, o options) verdict.Report {
	t.Helper()
	r, err := run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Print(t.Output(), "table"); err != nil {
		t.Fatal(err)
	}
	if n := len(r.Violations); n > 0 {
		t.Errorf("seed %d: %d promises were broken; the report says which", o.seed, n)
	}
	return r
}

// shows fails when too little happened in a run for its verdict to mean anything.
func shows(t *testing.T, r verdict.Report, faults int) {
	t.Helper()
	if r.Struck() < faults || r.Completed < 100 || r.Redelivered == 0 || r.Waits == 0 || r.Replayed == 0 {
		t.Errorf("%d faults, %d completed, %d redelivered, %d waited for, %d replayed: that shows nothing", r.Struck(),
			r.Completed, r.Redelivered, r.Waits, r.Replayed)
	}
}

// Two minutes of everything that can break: nothing is lost, nothing is duplicate.
func TestFaults(t *testing.T) {
	t.Parallel() // it mostly waits
	r := pass(t, testOptions(t, 1, 2*time.Minute))
	shows(t, r, 15)
}

// The same on a RabbitMQ of three nodes and a Redis with Sentinels: while one node is away, lanes that others lead keep
// their promises.
func TestFaultsOnThreeNodes(t *testing.T) {
	t.Parallel() // it mostly waits
	o := testOptions(t, 3, 2*time.Minute)
	o.rate = 2 // eight servers run, too
	r := pass(t, o)
	shows(t, r, 12)
}

// Where nothing breaks, every job runs once, in time, and the ledger agrees with what there is.
func TestCalm(t *testing.T) {
	t.Parallel() // it mostly waits
	o := testOptions(t, 1, 10*time.Second)
	o.calm = true
	r := pass(t, o)
	if r.Confirmed != r.Jobs || r.Completed < 10 || r.TwiceDead+r.BehindInLed > 0 || r.Waits == 0 || r.Endless > 0 {
		t.Errorf("%+v", r)
	}
}
