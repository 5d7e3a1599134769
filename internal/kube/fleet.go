package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/polyglot-media/siren/internal/kube/watched"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// PoolLabel names the pool on a Deployment and on its pods.
const PoolLabel = "siren.polyglot.media/pool"

// syncWithin is how long NewFleet waits to see the namespace.
const syncWithin = 30 * time.Second

// Options says which Deployments are the fleet.
type Options struct {
	Client    kubernetes.Interface
	Namespace string
	Selector  string       // label selector of the workers' Deployments, beside PoolLabel; "": PoolLabel is enough
	Log       *slog.Logger // nil: nowhere
}

// Fleet is the pools as Deployments: each one in the namespace with the selector's labels and PoolLabel is a pool. Its
// methods are safe for concurrent use.
type Fleet struct {
	client      kubernetes.Interface
	namespace   string
	log         *slog.Logger
	deployments *watched.Feed[*appsv1.Deployment]
	replicaSets *watched.Feed[*appsv1.ReplicaSet]
	pods        *watched.Feed[*corev1.Pod]
	autoscalers *watched.Feed[*autoscalingv2.HorizontalPodAutoscaler]
	written     cache.MutationCache // the Deployments, and what Scale made of them before their feed tells

	mu     sync.Mutex
	marked map[string]bool // pods that were given, or may have been given, the lowest deletion cost by this process
}

// NewFleet begins to watch the namespace, until ctx ends, and returns once it has seen all of it.
func NewFleet(ctx context.Context, o Options) (*Fleet, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	selector, err := labels.Parse(o.Selector)
	if err != nil {
		return nil, fmt.Errorf("selector of the workers' Deployments: %w", err)
	}
	pooled, err := labels.NewRequirement(PoolLabel, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	apps, core, scaling := o.Client.AppsV1(), o.Client.CoreV1(), o.Client.AutoscalingV2()
	f := &Fleet{
		client: o.Client, namespace: o.Namespace, log: o.Log, marked: map[string]bool{},
		deployments: watched.New("Deployments", o.Client, apps.Deployments(o.Namespace), selector.Add(*pooled).String(),
			trimDeployment, o.Log),
		replicaSets: watched.New("ReplicaSets", o.Client, apps.ReplicaSets(o.Namespace), PoolLabel, trimReplicaSet,
			o.Log),
		pods: watched.New("pods", o.Client, core.Pods(o.Namespace), PoolLabel, trimPod, o.Log),
		autoscalers: watched.New("HorizontalPodAutoscalers", o.Client, scaling.HorizontalPodAutoscalers(o.Namespace),
			"",
			trimAutoscaler, o.Log),
	}
	f.written = cache.NewIntegerResourceVersionMutationCache(klog.Logger{}, f.deployments.Objects, nil, time.Minute,
		false)
	for _, run := range []func(context.Context){f.deployments.Run, f.replicaSets.Run, f.pods.Run, f.autoscalers.Run} {
		go run(Quiet(ctx))
	}
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

// feeds reports how well the Fleet sees each kind of object.
func (f *Fleet) feeds() []*watched.Sight {
	return []*watched.Sight{f.deployments.Sight, f.replicaSets.Sight, f.pods.Sight, f.autoscalers.Sight}
}

// wait returns when everything has been seen once.
func (f *Fleet) wait(ctx context.Context) error {
	late := time.NewTimer(syncWithin)
	defer late.Stop()
	for _, s := range f.feeds() {
		select {
		case <-s.Synced:
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			var errs []error
			for _, s := range f.feeds() {
				errs = append(errs, s.Missing())
			}
			return fmt.Errorf("watch namespace %s; the scaler's Role must let it get, list and watch all of them: %w",
				f.namespace, errors.Join(errs...))
		}
	}
	return nil
}

// Pools returns every pool as its Deployment and pods are now. A pool without a Deployment is absent. It returns an
// error while the API server has sent nothing for more than a few seconds: an old state would be taken for the fleet's.
func (f *Fleet) Pools(context.Context) (map[string]fleet.PoolState, error) {
	for _, s := range f.feeds() {
		if err := s.Blind(); err != nil {
			return nil, err
		}
	}
	found, err := f.byPool()
	if err != nil {
		return nil, err
	}
	states := make(map[string]fleet.PoolState, len(found))
	for pool, d := range found {
		states[pool] = stateOf(d, f.replicaSets.Of(d.UID), f.podsOf(d), f.autoscalers.All(), time.Now())
	}
	return states, nil
}

// byPool returns the pools' Deployments, from what was watched and from what Scale has written since.
func (f *Fleet) byPool() (map[string]*appsv1.Deployment, error) {
	found := map[string]*appsv1.Deployment{}
	for _, d := range f.deployments.All() {
		newest, there, err := f.written.GetByKey(d.Namespace + "/" + d.Name)
		if err != nil || !there { // deleted meanwhile
			continue
		}
		d = newest.(*appsv1.Deployment)
		pool := d.Labels[PoolLabel]
		if other, twice := found[pool]; twice {
			return nil, fmt.Errorf("the Deployments %s and %s in namespace %s both have the label %s=%s: delete "+
				"one, or take its label off",
				min(d.Name, other.Name), max(d.Name, other.Name), f.namespace, PoolLabel, pool)
		}
		if d.Spec.Template.Labels[PoolLabel] != pool {
			return nil, fmt.Errorf("the pods of Deployment %s in namespace %s lack the label %s=%s that it has: set "+
				"it in its pod template",
				d.Name, f.namespace, PoolLabel, pool)
		}
		found[pool] = d
	}
	return found, nil
}

// deployment returns the pool's Deployment.
func (f *Fleet) deployment(pool string) (*appsv1.Deployment, error) {
	found, err := f.byPool()
	if err != nil {
		return nil, err
	}
	d, ok := found[pool]
	if !ok {
		return nil, fmt.Errorf("namespace %s has no Deployment with the label %s=%s: was the chart upgraded with "+
			"this policy?",
			f.namespace, PoolLabel, pool)
	}
	return d, nil
}

// podsOf returns the Deployment's pods that have not ended: an evicted pod lingers, and another one has taken its
// place. It selects them by their labels, since a pod that is ending may have lost its ReplicaSet already.
func (f *Fleet) podsOf(d *appsv1.Deployment) []*corev1.Pod {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return nil // the API server accepts none that is wrong
	}
	var live []*corev1.Pod
	for _, p := range f.pods.All() {
		ended := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
		if !ended && metav1.GetControllerOfNoCopy(p) != nil && selector.Matches(labels.Set(p.Labels)) {
			live = append(live, p)
		}
	}
	return live
}

// The trims leave what this package reads. The pod templates stay: rollingOut compares them.

func trimDeployment(d *appsv1.Deployment) {
	delete(d.Annotations, corev1.LastAppliedConfigAnnotation)
}

func trimReplicaSet(r *appsv1.ReplicaSet) {
	r.Annotations = nil
}

func trimPod(p *corev1.Pod) {
	cost, marked := p.Annotations[deletionCost]
	p.Annotations = nil
	if marked {
		p.Annotations = map[string]string{deletionCost: cost}
	}
	p.Spec = corev1.PodSpec{NodeName: p.Spec.NodeName}
}

func trimAutoscaler(h *autoscalingv2.HorizontalPodAutoscaler) {
	delete(h.Annotations, corev1.LastAppliedConfigAnnotation)
	h.Status = autoscalingv2.HorizontalPodAutoscalerStatus{}
}
