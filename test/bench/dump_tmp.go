package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

type dumped struct {
	ID        string
	Lane      string
	Ahead     int
	At        time.Time
	Effective lanes.Effective
	Snapshot  lanes.Snapshot
	Workers   []lanes.Heartbeat
	Left      map[string]time.Duration
	Run       int
}

var dumpRun = time.Now().UnixNano()

func dump(ctx context.Context, b *bench, id string) {
	name := os.Getenv("BENCH_DUMP")
	if name == "" {
		return
	}
	board, roster := redis.NewBoard(b.store, b.log), redis.NewRoster(b.store, b.log)
	r, err := b.ledger.Get(ctx, id)
	if err != nil || r.State != lanes.Queued {
		return
	}
	d := dumped{ID: id, Lane: r.Lane, Left: map[string]time.Duration{}}
	d.Effective, _ = board.Policy(ctx)
	d.Snapshot, _ = board.Snapshot(ctx)
	d.Workers, d.At, _ = roster.Workers(ctx)
	d.Ahead, _, _ = b.ledger.Ahead(ctx, id)
	for _, w := range d.Workers {
		for _, run := range w.Running {
			r, err := b.ledger.Get(ctx, run.Job)
			if f := r.Progress.Fraction; err == nil && f > 0.02 && f < 1 {
				ran := d.At.Sub(run.Since)
				d.Left[run.Job] = time.Duration(float64(ran) * (1 - f) / f)
			}
		}
	}
	text, _ := json.Marshal(d)
	f, _ := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	f.Write(append(text, 10))
	f.Close()
}
