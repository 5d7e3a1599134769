package cluster

import (
	"context"
	"testing"
	"time"
)

// TestRedis loses the tail of what was written: the replica that didn't have it becomes the primary.
func TestRedis(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := StartRedis(ctx, RedisOptions{Down: time.Second})
	must(err)
	t.Cleanup(func() {
		if err := r.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	set := func(key string) {
		t.Helper()
		primary, _, err := r.Primary(ctx)
		must(err)
		_, err = r.do(ctx, primary, "SET", key, "there")
		must(err)
	}
	set("kept")
	_, err = r.do(ctx, r.Nodes[0], "WAIT", 1, 10_000)
	must(err)
	must(r.Leave(ctx))
	set("lost")
	must(r.Failover(ctx))
	must(r.Mend(ctx))
	for _, n := range r.Nodes {
		kept, err := r.do(ctx, n, "EXISTS", "kept")
		must(err)
		lost, err := r.do(ctx, n, "EXISTS", "lost")
		must(err)
		if kept != int64(1) || lost != int64(0) {
			t.Errorf("kept %v, lost %v; want 1 and 0", kept, lost)
		}
	}
	set("again")
	must(r.Failover(ctx))
	must(r.Mend(ctx))
}
