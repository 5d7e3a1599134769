package election

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

const namespace = "media"

// leases is an API server for one Lease, as the chart renders it: without a spec. Each client can be cut off from it,
// or made to wait.
type leases struct {
	mu      sync.Mutex
	lease   coordinationv1.Lease
	version int
	holders []string                           // that were written, each once in a row
	way     map[string]func(verb string) error // what happens to a client's calls on their way; nil: nothing
}

func newLeases() *leases {
	l := &leases{version: 7, way: map[string]func(string) error{}}
	l.lease = coordinationv1.Lease{
		TypeMeta:   metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"},
		ObjectMeta: metav1.ObjectMeta{Name: "siren-scaler", Namespace: namespace, ResourceVersion: "7"},
	}
	return l
}

// on makes this happen to the client's calls from now on.
func (l *leases) on(client string, way func(verb string) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.way[client] = way
}

// cut makes the client's calls fail.
func (l *leases) cut(client string, err error) { l.on(client, func(string) error { return err }) }

func (l *leases) holder() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.lease.Spec.HolderIdentity
}

func (l *leases) get() *coordinationv1.Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lease.DeepCopy()
}

func (l *leases) update(to *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if to.ResourceVersion != l.lease.ResourceVersion {
		return nil, apierrors.NewConflict(schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"},
			to.Name, errors.New("the object has been modified"))
	}
	l.version++
	l.lease.Spec = to.DeepCopy().Spec
	l.lease.ResourceVersion = strconv.Itoa(l.version)
	if h := *to.Spec.HolderIdentity; len(l.holders) == 0 || l.holders[len(l.holders)-1] != h {
		l.holders = append(l.holders, h)
	}
	return l.lease.DeepCopy(), nil
}

// client returns one process's client of the API server.
func (l *leases) client(name string) kubernetes.Interface {
	c := &fake.Clientset{}
	c.AddReactor("*", "leases", func(a clienttesting.Action) (bool, runtime.Object, error) {
		l.mu.Lock()
		way := l.way[name]
		l.mu.Unlock()
		if way != nil {
			if err := way(a.GetVerb()); err != nil {
				return true, nil, err
			}
		}
		if u, ok := a.(clienttesting.UpdateAction); ok && a.GetVerb() == "update" {
			lease, err := l.update(u.GetObject().(*coordinationv1.Lease))
			return true, lease, err
		}
		return true, l.get(), nil
	})
	return c
}

// ServeHTTP plays the API server.
func (l *leases) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodPut {
		_ = json.NewEncoder(w).Encode(l.get())
		return
	}
	var to coordinationv1.Lease
	if err := json.NewDecoder(r.Body).Decode(&to); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	lease, err := l.update(&to)
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		w.WriteHeader(int(status.Status().Code))
		_ = json.NewEncoder(w).Encode(status.Status())
		return
	}
	_ = json.NewEncoder(w).Encode(lease)
}
