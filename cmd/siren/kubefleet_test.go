package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// A lane that left the policy is known as long as its name is in Redis or in the ConfigMap; each brings the other up to date.
func TestLaneMemory(t *testing.T) {
	server, store := startStore(t)
	cluster := fake.NewClientset(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "state", Namespace: "media"}})
	board := redis.NewBoard(store, slog.New(slog.DiscardHandler))
	// process is a scaler that has just begun.
	process := func() *laneMemory { return &laneMemory{board: board, state: kube.NewState(cluster, "media", "state")} }
	known := func(m *laneMemory, current ...string) []string {
		t.Helper()
		all, err := m.known(t.Context(), current)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	kept := func() []string {
		t.Helper()
		c, err := cluster.CoreV1().ConfigMaps("media").Get(t.Context(), "state", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(c.Data["lanes"])
	}

	m := process()
	known(m, "standard", "old")
	if all := known(m, "standard"); !slices.Equal(all, []string{"old", "standard"}) {
		t.Errorf("known %v, want also the lane that left", all)
	}
	if got := kept(); !slices.Equal(got, []string{"old", "standard"}) {
		t.Errorf("the ConfigMap keeps %v", got)
	}

	flush(t, server)
	if all := known(m, "standard"); !slices.Equal(all, []string{"old", "standard"}) {
		t.Errorf("after Redis was flushed: known %v, want also the lane that left", all)
	}
	if all, err := board.KnownLanes(t.Context()); err != nil || !slices.Equal(all, []string{"old", "standard"}) {
		t.Errorf("Redis has learnt %v %v", all, err)
	}

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if all := known(process(), "standard"); !slices.Equal(all, []string{"old", "standard"}) {
		t.Errorf("a new scaler without Redis: known %v, want also the lane that left", all)
	}
}

// A scaler that starts while the policy is wrong goes on with the one in force; without one it says what is wrong.
func TestStartingPolicy(t *testing.T) {
	_, store := startStore(t)
	log := slog.New(slog.DiscardHandler)
	board := redis.NewBoard(store, log)
	says := func(text string) policySource {
		return func(context.Context) ([]byte, error) { return []byte(text), nil }
	}
	if _, _, err := startingPolicy(t.Context(), says("lanes: nonsense"), board, log); err == nil || !strings.Contains(err.Error(), "lanes") {
		t.Errorf("a wrong policy and none in force: %v", err)
	}
	p, text, err := startingPolicy(t.Context(), says(small), board, log)
	if err != nil || p.Budget != 3 || string(text) != small {
		t.Fatalf("a right one: %v %q %v", p, text, err)
	}
	if _, err := board.PublishPolicy(t.Context(), lanes.Effective{Policy: *p}); err != nil {
		t.Fatal(err)
	}
	if p, text, err = startingPolicy(t.Context(), says("lanes: nonsense"), board, log); err != nil || p.Budget != 3 || text != nil {
		t.Errorf("a wrong one, and one in force: %v %q %v", p, text, err)
	}
}

// flush has a Redis lose all its data.
func flush(t *testing.T, server *procs.Server) {
	t.Helper()
	options, err := goredis.ParseURL(server.URL)
	must(t, err)
	client := goredis.NewClient(options)
	defer client.Close()
	must(t, client.FlushAll(t.Context()).Err())
}

// startStore starts a Redis for the test.
func startStore(t *testing.T) (*procs.Server, *redis.Store) {
	t.Helper()
	server, err := procs.StartRedis(t.Context(), procs.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	store, err := redis.Open(server.URL, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return server, store
}
