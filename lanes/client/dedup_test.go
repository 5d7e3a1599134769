package client_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
)

func keyed(id, key string, window time.Duration) job.Job {
	j := probe(id, nil)
	j.DedupKey, j.DedupWindow = key, lanes.Duration(window)
	return j
}

func TestDedupKey(t *testing.T) {
	c := newClient(t, options())
	ctx := within(t, time.Minute)
	enqueue := func(j job.Job) client.Outcome {
		t.Helper()
		o := c.EnqueueBatch(ctx, []job.Job{j})[0]
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		return o
	}
	const window = 3 * time.Second // longer than a busy machine takes over what follows
	first := enqueue(keyed("", "upload-1", window))
	if first.Duplicate || first.Lane != "standard" {
		t.Fatalf("the first one: %+v", first)
	}
	if second := enqueue(keyed("", "upload-1", 0)); second.ID != first.ID || !second.Duplicate {
		t.Errorf("the second one: %+v, want the first one's id %s", second, first.ID)
	}
	if again := enqueue(keyed(first.ID, "upload-1", 0)); again.ID != first.ID {
		t.Errorf("the first one again: %+v", again)
	}
	if other := enqueue(keyed("", "upload-2", 0)); other.Duplicate {
		t.Errorf("another key: %+v", other)
	}
	if id, err := c.Enqueue(ctx, keyed("", "upload-1", 0)); err != nil || id != first.ID {
		t.Errorf("Enqueue: %s, %v", id, err)
	}
	time.Sleep(window + 50*time.Millisecond)
	if later := enqueue(keyed("", "upload-1", 0)); later.Duplicate || later.ID == first.ID {
		t.Errorf("after its window: %+v", later)
	}
}

func TestDedupKeyInABatch(t *testing.T) {
	c := newClient(t, options())
	bad := keyed("", "b", 0)
	bad.Kind = ""
	o := c.EnqueueBatch(within(t, time.Minute),
		[]job.Job{keyed("", "a", 0), keyed("", "a", 0), probe("", nil), bad, keyed("", "b", 0)})
	if o[0].Duplicate || o[1].ID != o[0].ID || !o[1].Duplicate || o[2].Duplicate || o[3].Err == nil ||
		o[4].Err != nil || o[4].Duplicate {
		t.Errorf("outcomes %+v", o)
	}
}

// However many enqueue a key at once, one job comes of it.
func TestDedupKeyUnderContention(t *testing.T) {
	ctx := within(t, time.Minute)
	var mu sync.Mutex
	ids := map[string]int{}
	var clients sync.WaitGroup
	for range 4 {
		c := newClient(t, options())
		for range 8 {
			clients.Go(func() {
				id, err := c.Enqueue(ctx, keyed("", "contended", 0))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					id = err.Error()
				}
				ids[id]++
			})
		}
	}
	clients.Wait()
	if len(ids) != 1 {
		t.Errorf("32 enqueues of one key made %v", ids)
	}
}

// A job that wasn't enqueued holds its key back from nobody, and without Redis nobody can tell who was the first.
func TestDedupKeyInTrouble(t *testing.T) {
	ctx := within(t, time.Minute)
	o := options()
	o.AMQPURL = "amqp://127.0.0.1:1"
	gone := newClient(t, o)
	if _, err := gone.Enqueue(within(t, time.Second), keyed("", "lost", 0)); err == nil {
		t.Fatal("enqueued without a broker")
	}
	if r := newClient(t, options()).EnqueueBatch(ctx, []job.Job{keyed("", "lost", 0)})[0]; r.Err != nil || r.Duplicate {
		t.Errorf("after one that wasn't enqueued: %+v", r)
	}

	server, err := servers.StartRedis(ctx, servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(t.Context()) })
	o = options()
	o.RedisURL = server.URL
	if o.Policy, err = lanes.Parse([]byte(policyText)); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, o)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	all := c.EnqueueBatch(ctx, []job.Job{keyed("", "k", 0), probe(fmt.Sprint("plain-", time.Now().UnixNano()), nil)})
	if !errors.Is(all[0].Err, lanes.ErrAway) || !strings.Contains(all[0].Err.Error(),
		"isn't enqueued; try again, or leave the key out") {
		t.Errorf("with a key, without Redis: %v", all[0].Err)
	}
	if all[1].Err != nil {
		t.Errorf("without a key, without Redis: %v", all[1].Err)
	}
}
