package kube

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/polyglot-media/siren/internal/kube/watched"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

const namespace = "media"

var appsDeployments = schema.GroupResource{Group: "apps", Resource: "deployments"}

// cluster is client-go's fake API server, with what it lacks: versions, their comparison, the scale subresource, and
// the ways in which one fails. It runs no controllers: a test says itself what they would have done.
type cluster struct {
	t      *testing.T
	client *fake.Clientset

	mu      sync.Mutex
	version int
	writes  []string         // in their order: "mark POD", "unmark POD", "scale DEPLOYMENT NUMBER"
	fails   map[string]error // by verb and resource, such as "watch pods"
	deaf    map[string]bool  // resources of whose changes nobody is told
}

func newCluster(t *testing.T, objects ...watched.Object) *cluster {
	c := &cluster{t: t, client: fake.NewClientset(), version: 100, fails: map[string]error{}, deaf: map[string]bool{}}
	c.client.PrependReactor("update", "deployments", c.scaleDeployment)
	c.client.PrependReactor("patch", "pods", c.patchPod)
	c.client.PrependReactor("update", "configmaps", c.updateConfigMap)
	c.client.PrependReactor("*", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		err := c.failure(a)
		return err != nil, nil, err
	})
	c.client.PrependWatchReactor("*", func(a clienttesting.Action) (bool, watch.Interface, error) {
		c.mu.Lock()
		deaf := c.deaf[a.GetResource().Resource]
		c.mu.Unlock()
		if err := c.failure(a); err != nil || deaf {
			return true, watch.NewFake(), err
		}
		return false, nil, nil
	})
	c.put(objects...)
	return c
}

func (c *cluster) failure(a clienttesting.Action) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	resource := a.GetResource().Resource
	if sub := a.GetSubresource(); sub != "" {
		resource += "/" + sub
	}
	return c.fails[a.GetVerb()+" "+resource]
}

// fail makes every such call fail from now on; nil: succeed again.
func (c *cluster) fail(call string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fails[call] = err
}

func (c *cluster) next() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	return strconv.Itoa(c.version)
}

func (c *cluster) wrote(what string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, fmt.Sprintf(what, args...))
}

func (c *cluster) written() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

// put makes objects, or changes them, as others than the Fleet do. Each gets a version of its own.
func (c *cluster) put(objects ...watched.Object) {
	c.t.Helper()
	for _, o := range objects {
		o.SetResourceVersion(c.next())
		o.SetNamespace(namespace)
		if o.GetUID() == "" {
			o.SetUID(types.UID("uid of " + o.GetName()))
		}
		if made := o.GetCreationTimestamp(); made.IsZero() {
			o.SetCreationTimestamp(metav1.Now())
		}
		resource := resourceOf(o)
		err := c.client.Tracker().Create(resource, o, namespace)
		if apierrors.IsAlreadyExists(err) {
			err = c.client.Tracker().Update(resource, o, namespace)
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *cluster) remove(o watched.Object) {
	c.t.Helper()
	if err := c.client.Tracker().Delete(resourceOf(o), namespace, o.GetName()); err != nil {
		c.t.Fatal(err)
	}
}

func resourceOf(o watched.Object) schema.GroupVersionResource {
	switch o.(type) {
	case *appsv1.Deployment:
		return appsv1.SchemeGroupVersion.WithResource("deployments")
	case *appsv1.ReplicaSet:
		return appsv1.SchemeGroupVersion.WithResource("replicasets")
	case *corev1.Pod:
		return corev1.SchemeGroupVersion.WithResource("pods")
	case *corev1.ConfigMap:
		return corev1.SchemeGroupVersion.WithResource("configmaps")
	}
	panic(fmt.Sprintf("no resource of %T", o))
}

func (c *cluster) deployment(name string) *appsv1.Deployment { return get[*appsv1.Deployment](c, name) }
func (c *cluster) pod(name string) *corev1.Pod               { return get[*corev1.Pod](c, name) }

func get[T watched.Object](c *cluster, name string) T {
	var none T
	o, err := c.client.Tracker().Get(resourceOf(none), namespace, name)
	if err != nil {
		c.t.Fatal(err)
	}
	return o.DeepCopyObject().(T)
}

// scaleDeployment does what the API server does with a PUT of deployments/scale.
func (c *cluster) scaleDeployment(a clienttesting.Action) (bool, runtime.Object, error) {
	if a.GetSubresource() != "scale" {
		return false, nil, nil
	}
	scale := a.(clienttesting.UpdateAction).GetObject().(*autoscalingv1.Scale)
	d := c.deployment(scale.Name)
	if scale.ResourceVersion != d.ResourceVersion || scale.UID != d.UID {
		return true, nil, apierrors.NewConflict(a.GetResource().GroupResource(), scale.Name,
			fmt.Errorf("the object has been modified"))
	}
	d.Spec.Replicas = &scale.Spec.Replicas
	d.Generation++
	c.wrote("scale %s %d", d.Name, scale.Spec.Replicas)
	c.put(d)
	scale = scale.DeepCopy()
	scale.ResourceVersion = d.ResourceVersion
	return true, scale, nil
}

// updateConfigMap does what the API server does with a PUT of a ConfigMap.
func (c *cluster) updateConfigMap(a clienttesting.Action) (bool, runtime.Object, error) {
	to := a.(clienttesting.UpdateAction).GetObject().(*corev1.ConfigMap).DeepCopy()
	if to.ResourceVersion != get[*corev1.ConfigMap](c, to.Name).ResourceVersion {
		return true, nil, apierrors.NewConflict(a.GetResource().GroupResource(), to.Name,
			fmt.Errorf("the object has been modified"))
	}
	c.put(to)
	return true, to, nil
}

// patchPod does what the API server does with a merge patch of a pod's annotations: on the version and uid that it
// names, if it names any.
func (c *cluster) patchPod(a clienttesting.Action) (bool, runtime.Object, error) {
	patch := a.(clienttesting.PatchAction)
	var change struct {
		Metadata struct {
			UID             types.UID
			ResourceVersion string
			Annotations     map[string]*string
		}
	}
	if err := json.Unmarshal(patch.GetPatch(), &change); err != nil {
		return true, nil, apierrors.NewBadRequest(err.Error())
	}
	p, err := c.client.Tracker().Get(a.GetResource(), namespace, patch.GetName())
	if err != nil {
		return true, nil, err
	}
	pod := p.DeepCopyObject().(*corev1.Pod)
	named := change.Metadata
	if named.UID != "" && named.UID != pod.UID || named.ResourceVersion != "" &&
		named.ResourceVersion != pod.ResourceVersion {
		return true, nil, apierrors.NewConflict(a.GetResource().GroupResource(), pod.Name,
			fmt.Errorf("the object has been modified"))
	}
	for key, value := range named.Annotations {
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, key, "")
		if value == nil {
			delete(pod.Annotations, key)
			c.wrote("unmark %s", pod.Name)
		} else {
			pod.Annotations[key] = *value
			c.wrote("mark %s", pod.Name)
		}
	}
	c.put(pod)
	return true, pod, nil
}

// fleet watches the cluster until the test ends.
func (c *cluster) fleet() *Fleet {
	c.t.Helper()
	f, err := NewFleet(c.t.Context(), Options{Client: c.client, Namespace: namespace, Selector: "app=siren"})
	if err != nil {
		c.t.Fatal(err)
	}
	synctest.Wait()
	return f
}

// newDeployment returns a Deployment whose template has an image, so that two can differ.
func newDeployment(pool string, replicas int, image string) *appsv1.Deployment {
	marks := map[string]string{"app": "siren", PoolLabel: pool}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Name: "siren-worker-" + pool, UID: types.UID("uid of siren-worker-" + pool),
			Labels: marks, Generation: 1,
		},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(replicas)), Selector: &metav1.LabelSelector{MatchLabels: marks},
			Template: template(marks, image),
		},
		Status: appsv1.DeploymentStatus{
			ObservedGeneration: 1, Replicas: int32(replicas),
			UpdatedReplicas: int32(replicas),
		},
	}
}

func template(marks map[string]string, image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: marks},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "worker", Image: image}}},
	}
}

// newSet returns one of the Deployment's ReplicaSets, that of an image.
func newSet(d *appsv1.Deployment, replicas int, image string) *appsv1.ReplicaSet {
	marks := map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: "hash-of-" + image}
	for k, v := range d.Labels {
		marks[k] = v
	}
	name := d.Name + "-" + image
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID("uid of " + name), Labels: marks,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d,
				appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec:   appsv1.ReplicaSetSpec{Replicas: new(int32(replicas)), Template: template(marks, image)},
		Status: appsv1.ReplicaSetStatus{Replicas: int32(replicas)},
	}
}

// newPod returns a pod of the ReplicaSet that runs and is ready.
func newPod(rs *appsv1.ReplicaSet, name string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID("uid of " + name), Labels: rs.Labels,
			CreationTimestamp: metav1.NewTime(time.Now().Add(-time.Hour)),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(rs,
				appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))},
		},
		Spec: corev1.PodSpec{NodeName: "node-1"},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning,
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
				{Type: corev1.PodReady, Status: corev1.ConditionTrue},
			},
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: "worker", Ready: true,
				State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			}},
		},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func leaving(p *corev1.Pod)  { p.DeletionTimestamp = new(metav1.Now()) }
func notReady(p *corev1.Pod) { p.Status.Conditions[1].Status = corev1.ConditionFalse }
func marked(p *corev1.Pod)   { p.Annotations = map[string]string{deletionCost: firstToGo} }

// pool returns a Deployment with its one ReplicaSet and a ready pod of each name.
func pool(name string, pods ...string) []watched.Object {
	d := newDeployment(name, len(pods), "v1")
	rs := newSet(d, len(pods), "v1")
	all := []watched.Object{d, rs}
	for _, p := range pods {
		all = append(all, newPod(rs, p))
	}
	return all
}
