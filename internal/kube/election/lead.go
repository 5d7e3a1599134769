package election

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/polyglot-media/siren/internal/kube"
)

// terms is how long a lead lasts without being renewed, when a leader stops trusting in its own, and how often
// everybody tries.
type terms struct{ lease, renew, retry time.Duration }

// Fast failover: a new leader acts within 15 s, and the old one has stopped by then.
var fast = terms{10 * time.Second, 6 * time.Second, time.Second}

// Leader takes part in the election of the leading scaler, by a Lease.
type Leader struct {
	lock     *watchedLock
	election leaderelection.LeaderElectionConfig
	log      *slog.Logger
}

// NewLeader prepares to stand for election under a name that is unique among all processes: the pod's. A nil log is
// nowhere.
func NewLeader(client kubernetes.Interface, namespace, lease, name string, log *slog.Logger) (*Leader, error) {
	return newLeader(client, namespace, lease, name, log, fast)
}

func newLeader(client kubernetes.Interface, namespace, lease, name string, log *slog.Logger, t terms) (*Leader, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &Leader{log: log, lock: &watchedLock{timeout: t.renew / 2, log: log, Interface: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Name: lease, Namespace: namespace},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: name},
	}}}
	l.election = leaderelection.LeaderElectionConfig{
		Lock: l.lock, LeaseDuration: t.lease, RenewDeadline: t.renew, RetryPeriod: t.retry, ReleaseOnCancel: true,
		Name: lease,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { log.Info("this scaler leads", "name", name) },
			OnStoppedLeading: func() {},
			OnNewLeader: func(leader string) {
				if leader != name && leader != "" {
					log.Info("another scaler leads", "leader", leader)
				}
			},
		},
	}
	if _, err := leaderelection.NewLeaderElector(l.election); err != nil {
		return nil, fmt.Errorf("prepare the election by Lease %s/%s: %w", namespace, lease, err)
	}
	return l, nil
}

// Run stands for election until ctx ends; then it gives the lead up, so that another scaler follows
// at once. So what only a leader does has to end before ctx does.
func (l *Leader) Run(ctx context.Context) {
	for ctx.Err() == nil {
		// afresh: the one that lost the lead may not know who has it
		e, err := leaderelection.NewLeaderElector(l.election)
		if err != nil {
			panic(err) // NewLeader has tried it
		}
		e.Run(kube.Quiet(ctx)) // returns when the lead is lost
		if ctx.Err() == nil {
			l.log.Warn("this scaler no longer leads: it couldn't renew its lease")
		}
	}
}

// Leading reports whether this process leads: it has renewed its lease so lately that nobody else can have taken it
// yet. One that was paused doesn't lead, even before it learns that another one took over. Nobody leads while the API
// server is away, and the log says so; there is never an error.
func (l *Leader) Leading(context.Context) (bool, error) {
	return l.lock.renewedWithin(l.election.RenewDeadline), nil
}

// watchedLock is a Lease of which is known when this process last wrote itself into it. It also says once what the
// elector says at every try.
type watchedLock struct {
	resourcelock.Interface
	timeout time.Duration // of one call
	log     *slog.Logger

	mu      sync.Mutex
	holder  string    // as last read or written
	written time.Time // by this process, as its holder; zero: it has lost or given up the lead since
	failing string    // which call does: "read" or "write"; "": none
}

// errNotOurs keeps the elector from releasing what another one holds.
var errNotOurs = errors.New("another scaler holds the lease")

// Get reads the lease.
func (w *watchedLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	r, raw, err := w.Interface.Get(ctx)
	if !apierrors.IsNotFound(err) { // else the elector creates it, if it may
		w.tell(ctx, "read", err)
	}
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.holds(r.HolderIdentity)
	}
	return r, raw, err
}

// Create makes the lease where the chart hasn't.
func (w *watchedLock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return w.write(ctx, r, w.Interface.Create)
}

// Update renews the lease, takes it over, or gives it up. Without the check, an elector that was paused for longer than
// its lease would give up that of the one who followed it.
func (w *watchedLock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	if r.HolderIdentity == "" {
		w.mu.Lock()
		ours := w.holder == w.Identity()
		w.written = time.Time{} // before anybody else can learn of it
		w.mu.Unlock()
		if !ours {
			return errNotOurs
		}
	}
	return w.write(ctx, r, w.Interface.Update)
}

// write notes a success as of before the call: nobody can take the lease earlier than its duration after that.
func (w *watchedLock) write(ctx context.Context, r resourcelock.LeaderElectionRecord,
	do func(context.Context, resourcelock.LeaderElectionRecord) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	began := time.Now()
	err := do(ctx, r)
	if !apierrors.IsConflict(err) { // an everyday event
		w.tell(ctx, "write", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.holds(r.HolderIdentity)
		if r.HolderIdentity != "" {
			w.written = began
		}
	case apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err): // somebody else has written it
		w.written = time.Time{}
	}
	return err
}

// holds remembers who holds the lease. The caller holds mu.
func (w *watchedLock) holds(name string) {
	w.holder = name
	if name != w.Identity() {
		w.written = time.Time{}
	}
}

// tell logs that the lease can't be read or written, and that it can again, once each.
func (w *watchedLock) tell(ctx context.Context, call string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil && w.failing == call:
		w.failing = ""
		w.log.Info("the lease is available again", "lease", w.Describe())
	case err != nil && w.failing == "" && !errors.Is(ctx.Err(), context.Canceled):
		w.failing = call
		w.log.Warn("no election: the chart makes the Lease, and the scaler's Role must let it get and update it",
			"lease", w.Describe(), "call", call, "error", err)
	}
}

func (w *watchedLock) renewedWithin(d time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.written.IsZero() && time.Since(w.written) < d
}

// Lead is who holds a Lease, nobody when there is no holder, and how long it may go without being renewed.
type Lead struct {
	Holder  string
	Renewed time.Time
	Lasts   time.Duration
}

// ReadLead reads who holds a Lease.
func ReadLead(ctx context.Context, client kubernetes.Interface, namespace, lease string) (Lead, error) {
	l, err := client.CoordinationV1().Leases(namespace).Get(kube.Quiet(ctx), lease, metav1.GetOptions{})
	if err != nil || l.Spec.HolderIdentity == nil || l.Spec.RenewTime == nil {
		return Lead{}, err
	}
	return Lead{*l.Spec.HolderIdentity, l.Spec.RenewTime.Time, fast.lease}, nil
}
