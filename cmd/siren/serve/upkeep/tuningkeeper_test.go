package upkeep

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/procs/servers"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
)

// keeping is tuning keepers on one Redis and one ConfigMap.
type keeping struct {
	t       *testing.T
	server  *servers.Server
	tunings *redis.Tunings
	cluster *fake.Clientset
	log     strings.Builder
}

func newKeeping(t *testing.T) *keeping {
	t.Helper()
	server, store := redistest.StartStore(t)
	return &keeping{
		t: t, server: server, tunings: redis.NewTunings(store, slog.New(slog.DiscardHandler)),
		cluster: fake.NewClientset(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "state", Namespace: "media"}}),
	}
}

// keeper makes the keeper of a process that has just begun; without a ConfigMap when it isn't on Kubernetes.
func (k *keeping) keeper(onKubernetes bool) *TuningKeeper {
	keeper := &TuningKeeper{Store: k.tunings, Log: slog.New(slog.NewTextHandler(&k.log, nil))}
	if onKubernetes {
		keeper.State = kube.NewState(k.cluster, "media", "state")
	}
	return keeper
}

// tune sets a field in Redis.
func (k *keeping) tune(field, value string, until time.Time) {
	k.t.Helper()
	was, _, err := k.tunings.Now(k.t.Context())
	redistest.Must(k.t, err)
	set := []lanes.Tuning{{Field: field, Value: json.RawMessage(value), By: "ann", Reason: "why", Until: until}}
	_, err = k.tunings.Change(k.t.Context(), was.Revision, set, nil, nil)
	redistest.Must(k.t, err)
}

// want expects that the keeper reads these tunings, as field=value, and that they are in Redis.
func (k *keeping) want(keeper *TuningKeeper, want ...string) lanes.Tunings {
	k.t.Helper()
	read, err := keeper.Now(k.t.Context())
	redistest.Must(k.t, err)
	there, _, err := k.tunings.Now(k.t.Context())
	redistest.Must(k.t, err)
	for who, tunings := range map[string]lanes.Tunings{"the keeper": read, "Redis": there} {
		if got := spelled(tunings); got != strings.Join(want, " ") {
			k.t.Errorf("%s has %q, want %q", who, got, want)
		}
	}
	return read
}

func spelled(tunings lanes.Tunings) string {
	var all []string
	for _, t := range tunings.All {
		all = append(all, t.Field+"="+t.Spelled())
	}
	return strings.Join(all, " ")
}

// copied returns the tunings in the ConfigMap.
func (k *keeping) copied() (t lanes.Tunings) {
	k.t.Helper()
	c, err := k.cluster.CoreV1().ConfigMaps("media").Get(k.t.Context(), "state", metav1.GetOptions{})
	redistest.Must(k.t, err)
	if text := c.Data[tuningsEntry]; text != "" {
		redistest.Must(k.t, json.Unmarshal([]byte(text), &t))
	}
	return t
}

// A tuning whose time is over ends, and the audit log says so.
func TestTuningsEnd(t *testing.T) {
	k := newKeeping(t)
	keeper := k.keeper(true)
	k.want(keeper)
	k.tune("budget", "9", time.Now().Add(time.Hour))
	k.tune("lanes.bulk.paused", "true", time.Now().Add(-time.Second))
	k.want(keeper, "budget=9")
	if got := spelled(k.copied()); got != "budget=9" {
		t.Errorf("the ConfigMap has %q", got)
	}
	entries, err := k.tunings.Audit(t.Context(), time.Time{}, 10)
	redistest.Must(t, err)
	if len(entries) != 1 || entries[0].Verb != "expire" || entries[0].On != "lanes.bulk.paused" ||
		entries[0].Before != "true" || entries[0].Reason != "why" ||
		entries[0].By != "its time was over" {
		t.Errorf("audit %+v", entries)
	}
	if !strings.Contains(k.log.String(), "tunings have ended") {
		t.Errorf("the log doesn't say so: %s", &k.log)
	}
}

// A Redis that has lost its data gets the tunings back from the memory of the scaler that leads, or from the ConfigMap.
func TestTuningsOutliveRedis(t *testing.T) {
	for name, c := range map[string]struct{ onKubernetes, restarted bool }{
		"from memory":                          {false, false},
		"from memory, beside a ConfigMap":      {true, false},
		"from the ConfigMap, in a new process": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeping(t)
			keeper := k.keeper(c.onKubernetes)
			until := time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC()
			k.tune("lanes.bulk.paused", "true", until)
			k.tune("budget", "9", time.Time{})
			before := k.want(keeper, "lanes.bulk.paused=true", "budget=9")
			flush(t, k.server)
			if c.restarted {
				keeper = k.keeper(c.onKubernetes)
			}
			after := k.want(keeper, "lanes.bulk.paused=true", "budget=9")
			for i, tuning := range after.All {
				if was := before.All[i]; tuning.By != was.By || tuning.Reason != was.Reason ||
					!tuning.At.Equal(was.At) || !tuning.Until.Equal(was.Until) {
					t.Errorf("back is %+v, which was %+v", tuning, was)
				}
			}
			if after.Revision <= before.Revision {
				t.Errorf("revision %d after %d", after.Revision, before.Revision)
			}
			if !strings.Contains(k.log.String(), "they are back") {
				t.Errorf("the log doesn't say so: %s", &k.log)
			}
			if c.onKubernetes && k.copied().Revision != after.Revision {
				t.Errorf("the ConfigMap has revision %d, Redis %d", k.copied().Revision, after.Revision)
			}
			k.tune("budget", "8", time.Time{})
			k.want(keeper, "lanes.bulk.paused=true", "budget=8")
		})
	}
	t.Run("not without a ConfigMap, in a new process", func(t *testing.T) {
		k := newKeeping(t)
		k.tune("budget", "9", time.Time{})
		k.want(k.keeper(false), "budget=9")
		flush(t, k.server)
		k.want(k.keeper(false))
	})
	t.Run("those whose time is over stay away", func(t *testing.T) {
		k := newKeeping(t)
		keeper := k.keeper(true)
		k.tune("lanes.bulk.paused", "true", time.Now().Add(200*time.Millisecond))
		k.tune("budget", "9", time.Time{})
		_, err := keeper.Now(t.Context())
		redistest.Must(t, err)
		flush(t, k.server)
		time.Sleep(200 * time.Millisecond)
		k.want(keeper, "budget=9")
	})
}

// Of two copies the newer one counts: another scaler has led meanwhile.
func TestNewerTuningsWin(t *testing.T) {
	k := newKeeping(t)
	old := k.keeper(true)
	k.tune("budget", "7", time.Time{})
	k.want(old, "budget=7")
	k.tune("budget", "9", time.Time{})
	k.tune("lanes.bulk.paused", "true", time.Time{})
	k.want(k.keeper(true), "budget=9", "lanes.bulk.paused=true") // the other one
	flush(t, k.server)
	k.want(old, "budget=9", "lanes.bulk.paused=true")

	// The ConfigMap is behind: it couldn't be written.
	refuse := errors.New("the API server is away")
	var fails error
	k.cluster.PrependReactor("update", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return fails != nil, nil, fails
	})
	fails = refuse
	k.tune("budget", "6", time.Time{})
	k.want(old, "lanes.bulk.paused=true", "budget=6")
	k.want(old, "lanes.bulk.paused=true", "budget=6")
	if got := strings.Count(k.log.String(), "no copy beside Redis"); got != 1 {
		t.Errorf("said %d times that there is no copy: %s", got, &k.log)
	}
	flush(t, k.server)
	k.want(old, "lanes.bulk.paused=true", "budget=6")
	fails = nil
	k.want(old, "lanes.bulk.paused=true", "budget=6")
	if got := spelled(k.copied()); got != "lanes.bulk.paused=true budget=6" {
		t.Errorf("the ConfigMap has %q once it can be written again", got)
	}
}

// As long as nobody can tell which tunings there were, none are said to be there.
func TestTuningsUnknown(t *testing.T) {
	k := newKeeping(t)
	var fails error
	k.cluster.PrependReactor("get", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return fails != nil, nil, fails
	})
	fails = errors.New("the API server is away")
	if _, err := k.keeper(true).Now(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "look up the tunings there were") {
		t.Errorf("an empty Redis, and no ConfigMap to be seen: %v", err)
	}
	fails = nil
	keeper := k.keeper(true)
	k.tune("budget", "9", time.Time{})
	k.want(keeper, "budget=9")
	redistest.Must(t, k.server.Kill())
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := keeper.Now(ctx); err == nil {
		t.Error("Redis is away, and no error")
	}

	c, err := k.cluster.CoreV1().ConfigMaps("media").Get(t.Context(), "state", metav1.GetOptions{})
	redistest.Must(t, err)
	c.Data = map[string]string{tuningsEntry: "{broken"}
	_, err = k.cluster.CoreV1().ConfigMaps("media").Update(t.Context(), c, metav1.UpdateOptions{})
	redistest.Must(t, err)
	broken := newKeeping(t)
	broken.cluster = k.cluster
	broken.want(broken.keeper(true))
	if !strings.Contains(broken.log.String(), "copy of the tunings can't be read") {
		t.Errorf("the log doesn't say that the copy is broken: %s", &broken.log)
	}
}
