package watched

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

const (
	// BlindAfter is how long a watch may be broken before what it told is no longer taken for what is.
	BlindAfter = 5 * time.Second
	byOwner    = "owner" // index of a feed by the UID of an object's controller
)

// Object is a pointer to one kind of Kubernetes object.
type Object interface {
	metav1.Object
	runtime.Object
}

// source is what a typed client offers to read one kind of object, whose list is an L.
type source[L runtime.Object] interface {
	List(ctx context.Context, o metav1.ListOptions) (L, error)
	Watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error)
}

// Feed is an informer without what isn't needed of one: the objects of a kind as the API server tells of them. It tries
// again every 2 s, where a shared informer waits up to a minute: the fleet stands still meanwhile. And it knows for how
// long it has been blind.
type Feed[T Object] struct {
	*Sight
	Objects   cache.Indexer
	reflector *cache.Reflector
}

// New makes a feed of the objects with the labels; run begins to fill it. trim takes off what nobody here reads.
func New[T Object, L runtime.Object](
	kind string, client any, from source[L], selector string, trim func(T), log *slog.Logger,
) *Feed[T] {
	var none T
	f := &Feed[T]{
		Sight: &Sight{kind: kind, log: log, Synced: make(chan struct{})},
		Objects: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{byOwner: func(o any) ([]string, error) {
			if owner := metav1.GetControllerOfNoCopy(o.(T)); owner != nil {
				return []string{string(owner.UID)}, nil
			}
			return nil, nil
		}}),
	}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = selector
			list, err := from.List(ctx, o)
			if err != nil {
				f.Note(err)
			}
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = selector
			w, err := from.Watch(ctx, o)
			f.Note(err)
			return w, err
		},
	}
	silent := klog.Logger{}
	f.reflector = cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(lw, client), none,
		&store[T]{Indexer: f.Objects, trim: trim, filled: f.filled}, cache.ReflectorOptions{
			Logger: &silent, Name: kind,
			Backoff: &wait.Backoff{
				Duration: 500 * time.Millisecond, Factor: 2, Cap: 2 * time.Second, Steps: 10,
				Jitter: 0.2,
			},
		})
	return f
}

// Run fills the feed until ctx ends.
func (f *Feed[T]) Run(ctx context.Context) { f.reflector.RunWithContext(ctx) }

// All returns every object. Nobody may change them.
func (f *Feed[T]) All() []T { return typed[T](f.Objects.List()) }

// Of returns the objects that the owner controls.
func (f *Feed[T]) Of(owner types.UID) []T {
	owned, _ := f.Objects.ByIndex(byOwner, string(owner)) // fails for an unknown index only
	return typed[T](owned)
}

func typed[T any](objects []any) []T {
	ts := make([]T, len(objects))
	for i, o := range objects {
		ts[i] = o.(T)
	}
	return ts
}

// store is what a reflector fills: it trims what comes in.
type store[T Object] struct {
	cache.Indexer
	trim   func(T)
	filled func() // after the first list
}

func (s *store[T]) trimmed(o any) any {
	if t, ok := o.(T); ok {
		t.SetManagedFields(nil)
		s.trim(t)
	}
	return o
}

// Add puts a new object into the store.
func (s *store[T]) Add(o any) error { return s.Indexer.Add(s.trimmed(o)) }

// Update puts a changed object into the store.
func (s *store[T]) Update(o any) error { return s.Indexer.Update(s.trimmed(o)) }

// Replace puts all objects there are into the store.
func (s *store[T]) Replace(all []any, version string) error {
	for i := range all {
		all[i] = s.trimmed(all[i])
	}
	err := s.Indexer.Replace(all, version)
	s.filled()
	return err
}

// Sight is whether a feed sees the API server.
type Sight struct {
	kind   string
	log    *slog.Logger
	first  sync.Once
	Synced chan struct{} // closed when everything has been seen once

	mu    sync.Mutex
	since time.Time // of the first failure in a row; zero: it sees
	cause error     // the last one
	told  bool      // that it has been blind for long
}

func (s *Sight) filled() { s.first.Do(func() { close(s.Synced) }) }

// Note remembers what became of one attempt to watch.
func (s *Sight) Note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cause = err
	switch {
	case err == nil:
		if s.told {
			s.log.Info("the API server reports changes again", "kind", s.kind)
		}
		s.since, s.told = time.Time{}, false
	case s.since.IsZero():
		s.since = time.Now()
	case !s.told && time.Since(s.since) > BlindAfter:
		s.told = true
		s.log.Warn("the API server reports no changes", "kind", s.kind, "error", err)
	}
}

// Blind says for how long nothing has been told; nil while it has, or when it hasn't been long.
func (s *Sight) Blind() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() || time.Since(s.since) <= BlindAfter {
		return nil
	}
	return fmt.Errorf("nothing has been known of the %s for %.0f s: %w", s.kind, time.Since(s.since).Seconds(), s.cause)
}

// Missing returns why not everything has been seen yet; nil when it has.
func (s *Sight) Missing() error {
	select {
	case <-s.Synced:
		return nil
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == nil {
		return fmt.Errorf("%s: the API server doesn't answer", s.kind)
	}
	return fmt.Errorf("%s: %w", s.kind, s.cause)
}
