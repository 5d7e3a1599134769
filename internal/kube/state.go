package kube

import (
	"context"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/polyglot-media/siren/lanes"
)

// State is what the leader keeps beyond Redis: the data of a ConfigMap that is there already. Its methods are safe for
// concurrent use.
type State struct {
	client          typedcore.ConfigMapInterface
	namespace, name string

	mu   sync.Mutex
	last *corev1.ConfigMap // as last read or written; nil: to be read before it is written
}

// NewState makes a State of a ConfigMap. Nothing is read yet.
func NewState(client kubernetes.Interface, namespace, name string) *State {
	return &State{client: client.CoreV1().ConfigMaps(namespace), namespace: namespace, name: name}
}

// Load reads all of it. A process that begins to lead does so first.
func (s *State) Load(ctx context.Context) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	return maps.Clone(s.last.Data), nil
}

// Save sets the entries and leaves the others as they are. It writes only when one of them differs from what this
// process last read or wrote. When another process has written since then, it is a lanes.ErrConflict and nothing is
// changed: so the late write of a leader that was paused loses. The next Save reads first.
func (s *State) Save(ctx context.Context, entries map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		if err := s.read(ctx); err != nil {
			return err
		}
	}
	next := s.last.DeepCopy()
	if next.Data == nil {
		next.Data = map[string]string{}
	}
	maps.Copy(next.Data, entries)
	if maps.Equal(next.Data, s.last.Data) {
		return nil
	}
	written, err := s.client.Update(ctx, next, metav1.UpdateOptions{})
	if err != nil {
		s.last = nil // it may have been written all the same
		if apierrors.IsConflict(err) {
			return fmt.Errorf("%s: %w: another scaler has written it", s, lanes.ErrConflict)
		}
		return s.explain("write", "update", err)
	}
	s.last = written
	return nil
}

// read reads the ConfigMap. The caller holds mu.
func (s *State) read(ctx context.Context) error {
	c, err := s.client.Get(ctx, s.name, metav1.GetOptions{})
	if err != nil {
		return s.explain("read", "get", err)
	}
	s.last = c
	return nil
}

func (s *State) String() string { return "ConfigMap " + s.namespace + "/" + s.name }

// explain says what to do about an error.
func (s *State) explain(what, verb string, err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s %s: it doesn't exist; the chart makes it, without data: %w", what, s, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s %s: the scaler's Role must let it %s it: %w", what, s, verb, err)
	}
	return fmt.Errorf("%s %s: %w", what, s, err)
}
