package upkeep

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
)

// A queue that is used no more is known as long as its name is in Redis or in the ConfigMap; each brings the other up
// to date.
func TestQueueMemory(t *testing.T) {
	server, store := redistest.StartStore(t)
	cluster := fake.NewClientset(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "state", Namespace: "media"}})
	board := redis.NewBoard(store, slog.New(slog.DiscardHandler))
	// process is a scaler that has just begun.
	process := func() *QueueMemory {
		return &QueueMemory{Board: board, State: kube.NewState(cluster, "media", "state")}
	}
	known := func(m *QueueMemory, current ...lanes.Queue) []lanes.Queue {
		t.Helper()
		all, err := m.Known(t.Context(), current)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	standard, old := lanes.Queue{Lane: "standard", Type: lanes.Classic},
		lanes.Queue{Lane: "standard", Type: lanes.Quorum}
	both := []lanes.Queue{standard, old}
	kept := func() []string {
		t.Helper()
		c, err := cluster.CoreV1().ConfigMaps("media").Get(t.Context(), "state", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(c.Data["lanes"])
	}

	m := process()
	known(m, standard, old)
	if all := known(m, standard); !slices.Equal(all, both) {
		t.Errorf("known %v, want also the one used no more", all)
	}
	if got := kept(); !slices.Equal(got, []string{"standard", "standard.quorum"}) {
		t.Errorf("the ConfigMap keeps %v", got)
	}

	flush(t, server)
	if all := known(m, standard); !slices.Equal(all, both) {
		t.Errorf("after Redis was flushed: known %v, want also the one used no more", all)
	}
	if all, err := board.KnownQueues(t.Context()); err != nil || !slices.Equal(all, both) {
		t.Errorf("Redis has learnt %v %v", all, err)
	}

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if all := known(process(), standard); !slices.Equal(all, both) {
		t.Errorf("a new scaler without Redis: known %v, want also the one used no more", all)
	}
}
