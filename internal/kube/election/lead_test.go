package election

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// candidate stands for election until the test ends or quit is called, which returns when it has given up.
type candidate struct {
	*Leader
	quit func()
}

func stand(t *testing.T, l *leases, name string, log *slog.Logger) candidate {
	t.Helper()
	leader, err := NewLeader(l.client(name), namespace, "siren-scaler", name, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { leader.Run(ctx) })
	return candidate{leader, func() { cancel(); running.Wait() }}
}

func (c candidate) leads(t *testing.T) bool {
	t.Helper()
	leads, err := c.Leading(t.Context())
	if err != nil {
		t.Error(err)
	}
	return leads
}

// until waits for what is, and returns how long it took.
func until(t *testing.T, what string, is func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !is() {
		if time.Since(began) > time.Minute {
			t.Fatalf("still not after a minute: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

func TestEmptyLeaseIsTakenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases()
		c := stand(t, l, "a", nil)
		defer c.quit()
		if c.leads(t) {
			t.Error("leads before it has asked")
		}
		synctest.Wait()
		if !c.leads(t) || l.holder() != "a" {
			t.Errorf("leads: %v; the lease says %q", c.leads(t), l.holder())
		}
		time.Sleep(time.Hour)
		if !c.leads(t) {
			t.Error("leads no more after an hour")
		}
	})
}

func TestFailover(t *testing.T) {
	away := errors.New("connection refused")
	for name, end := range map[string]struct {
		do     func(l *leases, a candidate)
		within time.Duration
	}{
		"from one that is killed, or cut off": {func(l *leases, _ candidate) { l.cut("a", away) }, 15 * time.Second},
		"from one that stops":                 {func(_ *leases, a candidate) { a.quit() }, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 20 { // the tries are jittered
				synctest.Test(t, func(t *testing.T) {
					l := newLeases()
					a := stand(t, l, "a", nil)
					defer a.quit()
					until(t, "a leads", func() bool { return a.leads(t) })
					b := stand(t, l, "b", nil)
					defer b.quit()
					time.Sleep(20*time.Second + time.Duration(i)*50*time.Millisecond)
					if !a.leads(t) || b.leads(t) {
						t.Fatalf("a leads: %v, b leads: %v", a.leads(t), b.leads(t))
					}
					end.do(l, a)
					took := until(t, "b leads", func() bool {
						if a.leads(t) && b.leads(t) {
							t.Fatal("both lead")
						}
						return b.leads(t)
					})
					if took > end.within || a.leads(t) {
						t.Errorf("after %v b leads, and a: %v", took, a.leads(t))
					}
				})
			}
		})
	}
}

func TestNobodyLeadsWithoutAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases()
		var log bytes.Buffer
		c := stand(t, l, "a", slog.New(slog.NewTextHandler(&log, nil)))
		until(t, "it leads", func() bool { return c.leads(t) })
		l.cut("a", errors.New("connection refused"))
		if took := until(t, "it leads no more", func() bool { return !c.leads(t) }); took > 6*time.Second {
			t.Errorf("it led for another %v", took)
		}
		time.Sleep(10 * time.Minute)
		l.on("a", nil)
		if took := until(t, "it leads again", func() bool { return c.leads(t) }); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		c.quit()
		synctest.Wait()
		for what, times := range map[string]int{
			"level=WARN msg=\"no election": 1, "is available again": 1,
			`msg="this scaler leads"`: 2, "no longer leads": 1,
		} {
			if got := strings.Count(log.String(), what); got != times {
				t.Errorf("%q is said %d times, want %d:\n%s", what, got, times, &log)
			}
		}
	})
}

// An elector that was paused within a call gives up its lease without having seen that another one has followed, whose
// lease it is.
func TestLateLeaderLeavesTheLeaseAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases()
		a := stand(t, l, "a", nil)
		defer a.quit()
		until(t, "a leads", func() bool { return a.leads(t) })
		b := stand(t, l, "b", nil)
		defer b.quit()
		l.on("a", func(verb string) error {
			// paused within a call; when it goes on, the time for it and the next one is over
			if verb == "get" {
				l.on("a", nil)
			} else {
				time.Sleep(30 * time.Second)
			}
			return context.DeadlineExceeded
		})
		until(t, "b leads", func() bool { return b.leads(t) })
		for range 6000 {
			time.Sleep(10 * time.Millisecond)
			if a.leads(t) || !b.leads(t) {
				t.Fatalf("a leads: %v, b leads: %v", a.leads(t), b.leads(t))
			}
		}
		if want := []string{"a", "b"}; !slices.Equal(l.holders, want) {
			t.Errorf("the lease was held by %q, want %q", l.holders, want)
		}
	})
}

func TestWatchedLock(t *testing.T) {
	record := func(holder string) resourcelock.LeaderElectionRecord {
		return resourcelock.LeaderElectionRecord{HolderIdentity: holder, LeaseDurationSeconds: 10}
	}
	// lock is held by a, who has just written it.
	lock := func(t *testing.T) (*watchedLock, *leases) {
		l := newLeases()
		leader, err := NewLeader(l.client("a"), namespace, "siren-scaler", "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		w := leader.lock
		if _, _, err := w.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Update(t.Context(), record("a")); err != nil || !w.renewedWithin(time.Second) {
			t.Fatal("not written", err)
		}
		return w, l
	}
	steal := func(l *leases) {
		stolen := l.get()
		stolen.Spec.HolderIdentity = new("b")
		_, _ = l.update(stolen)
	}
	for name, then := range map[string]func(t *testing.T, w *watchedLock, l *leases){
		"another one is read": func(t *testing.T, w *watchedLock, l *leases) {
			steal(l)
			_, _, _ = w.Get(t.Context())
		},
		"another one has written it": func(t *testing.T, w *watchedLock, l *leases) {
			steal(l)
			if err := w.Update(t.Context(), record("a")); !apierrors.IsConflict(err) {
				t.Error(err)
			}
		},
		"it is given up": func(t *testing.T, w *watchedLock, l *leases) {
			if err := w.Update(t.Context(), record("")); err != nil || l.holder() != "" {
				t.Error(err, l.holder())
			}
		},
		"it should have been given up": func(t *testing.T, w *watchedLock, l *leases) {
			l.cut("a", errors.New("connection refused"))
			if err := w.Update(t.Context(), record("")); err == nil {
				t.Error("no error")
			}
		},
		"another one's was to be given up": func(t *testing.T, w *watchedLock, l *leases) {
			steal(l)
			_, _, _ = w.Get(t.Context())
			if err := w.Update(t.Context(), record("")); !errors.Is(err, errNotOurs) || l.holder() != "b" {
				t.Error(err, l.holder())
			}
		},
		"time passes": func(*testing.T, *watchedLock, *leases) { time.Sleep(time.Second) },
	} {
		t.Run("doesn't count as held after "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, l := lock(t)
				then(t, w, l)
				if w.renewedWithin(time.Second) {
					t.Error("it does")
				}
			})
		})
	}
	t.Run("counts from before the call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, l := lock(t)
			l.on("a", func(string) error { time.Sleep(2 * time.Second); return nil })
			if err := w.Update(t.Context(), record("a")); err != nil || w.renewedWithin(2*time.Second) ||
				!w.renewedWithin(3*time.Second) {
				t.Error(err, w.written)
			}
		})
	})
	t.Run("still counts when a renewal failed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, l := lock(t)
			l.cut("a", errors.New("connection refused"))
			if err := w.Update(t.Context(), record("a")); err == nil || !w.renewedWithin(time.Second) {
				t.Error(err)
			}
		})
	})
}

func TestLeaderSaysWhatIsMissing(t *testing.T) {
	resource := schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
	for name, err := range map[string]error{
		"the Lease": apierrors.NewNotFound(resource, "siren-scaler"),
		"the right": apierrors.NewForbidden(resource, "siren-scaler", errors.New("no rule")),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLeases()
				l.cut("a", err)
				var log bytes.Buffer
				c := stand(t, l, "a", slog.New(slog.NewTextHandler(&log, nil)))
				time.Sleep(time.Minute)
				c.quit()
				if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "media/siren-scaler") ||
					!strings.Contains(got, "Role") {
					t.Errorf("it says %s", got)
				}
			})
		})
	}
	if _, err := NewLeader(newLeases().client("a"), namespace, "siren-scaler", "", nil); err == nil {
		t.Error("no error without a name")
	}
}

// The rest is about a process that is really stopped.

const leaderVar = "SIREN_KUBE_LEADER" // makes the test binary a leader by the API server with this URL

var brisk = terms{4 * time.Second, 2400 * time.Millisecond, 250 * time.Millisecond}

// inPlain returns a client of an API server that only knows JSON.
func inPlain(url string) *rest.Config {
	return &rest.Config{Host: url, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}

// runLeader stands for election, and prints the time whenever it leads.
func runLeader(url string) {
	client, err := kubernetes.NewForConfig(inPlain(url))
	if err != nil {
		panic(err)
	}
	l, err := newLeader(client, namespace, "siren-scaler", "paused", nil, brisk)
	if err != nil {
		panic(err)
	}
	go l.Run(context.Background())
	for {
		at := time.Now().UnixNano()
		if leads, _ := l.Leading(context.Background()); leads {
			fmt.Println(at)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestStoppedLeaderWakesUpAsNone(t *testing.T) {
	l := newLeases()
	server := httptest.NewServer(l)
	defer server.Close()

	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), leaderVar+"="+server.URL)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var led time.Time // when the child last led
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if at, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
				mu.Lock()
				led = time.Unix(0, at)
				mu.Unlock()
			}
		}
	})
	defer func() {
		_ = child.Process.Kill()
		reading.Wait()
		_ = child.Wait()
	}()
	last := func() time.Time { mu.Lock(); defer mu.Unlock(); return led }
	until(t, "the child leads", func() bool { return !last().IsZero() })

	client, err := kubernetes.NewForConfig(inPlain(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	next, err := newLeader(client, namespace, "siren-scaler", "next", nil, brisk)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { next.Run(ctx) })
	defer func() { cancel(); running.Wait() }()

	time.Sleep(time.Second)
	if err := child.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	took := until(t, "the next one leads", func() bool { leads, _ := next.Leading(ctx); return leads })
	woken := time.Now()
	if err := child.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	time.Sleep(4 * time.Second) // until it has given up
	if last().After(woken) {
		t.Errorf("the child led %v after it was woken", last().Sub(woken))
	}
	if want := []string{"paused", "next"}; !slices.Equal(l.holders, want) {
		t.Errorf("the lease was held by %q, want %q; the next one led after %v", l.holders, want, took)
	}
}
