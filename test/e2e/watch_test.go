//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// observer writes down what happens to a pool: every change of its replicas, its pods' lives, and what they logged.
// Times are those at which the news came here.
type observer struct {
	*release
	pool string

	mu       sync.Mutex
	replicas []change
	pods     map[string]*life
}

type change struct {
	at time.Time
	to int
}

type life struct {
	created, ready, told, gone time.Time // told: deletion asked for
	log                        []string
}

// observe begins to watch a pool until the test ends.
func (r *release) observe(pool string) *observer {
	r.Helper()
	o := &observer{release: r, pool: pool, pods: map[string]*life{}}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	r.Cleanup(func() {
		cancel()
		group.Wait()
	})
	selector := metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=worker,siren.polyglot.media/pool=" +
		pool}
	group.Go(func() {
		follow(ctx, func() (watch.Interface, error) {
			return kubeClient.AppsV1().Deployments(r.namespace).Watch(ctx, selector)
		}, func(e watch.Event) {
			if d, ok := e.Object.(*appsv1.Deployment); ok && d.Spec.Replicas != nil {
				o.scaled(int(*d.Spec.Replicas))
			}
		})
	})
	group.Go(func() {
		follow(ctx, func() (watch.Interface, error) {
			return kubeClient.CoreV1().Pods(r.namespace).Watch(ctx, selector)
		}, func(e watch.Event) {
			if p, ok := e.Object.(*corev1.Pod); ok && o.saw(p, e.Type) {
				group.Go(func() { o.readLog(ctx, p.Name) })
			}
		})
	})
	r.await("the first news of pool "+pool, 10*time.Second, func() (bool, string) {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.replicas) > 0 && len(o.pods) > 0 || len(o.replicas) > 0 && o.replicas[0].to == 0, "nothing"
	})
	return o
}

// follow hands on the events of a watch, which is made anew whenever it ends.
func follow(ctx context.Context, begin func() (watch.Interface, error), hand func(watch.Event)) {
	for ctx.Err() == nil {
		w, err := begin()
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		for e := range w.ResultChan() {
			hand(e)
		}
	}
}

func (o *observer) scaled(to int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.replicas); n == 0 || o.replicas[n-1].to != to {
		o.replicas = append(o.replicas, change{time.Now(), to})
	}
}

// saw notes what became of a pod, and whether it is a new one.
func (o *observer) saw(p *corev1.Pod, what watch.EventType) (isNew bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.pods[p.Name]
	if isNew = l == nil; isNew {
		l = &life{created: time.Now()}
		o.pods[p.Name] = l
	}
	if l.ready.IsZero() && isReady(p) {
		l.ready = time.Now()
	}
	if l.told.IsZero() && p.DeletionTimestamp != nil {
		l.told = time.Now()
	}
	if what == watch.Deleted {
		l.gone = time.Now()
	}
	return isNew
}

// readLog keeps all that a pod logs, to its end. A stream that breaks before, as when the API server restarts, is read
// again.
func (o *observer) readLog(ctx context.Context, pod string) {
	for ctx.Err() == nil {
		stream, err := kubeClient.CoreV1().Pods(o.namespace).GetLogs(pod,
			&corev1.PodLogOptions{Follow: true, Container: "worker"}).Stream(ctx)
		if err == nil {
			o.note(pod, nil, true)
			for lines := bufio.NewScanner(stream); lines.Scan(); {
				o.note(pod, []string{lines.Text()}, false)
			}
			_ = stream.Close()
		}
		o.mu.Lock()
		over := !o.pods[pod].told.IsZero() || !o.pods[pod].gone.IsZero()
		o.mu.Unlock()
		if over {
			return
		}
		time.Sleep(200 * time.Millisecond) // it hasn't started yet, or was started again
	}
}

func (o *observer) note(pod string, lines []string, afresh bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if afresh {
		o.pods[pod].log = nil
	}
	o.pods[pod].log = append(o.pods[pod].log, lines...)
}

// since returns the changes of replicas after a moment.
func (o *observer) since(t time.Time) (changes []change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.replicas {
		if c.at.After(t) {
			changes = append(changes, c)
		}
	}
	return changes
}

// lives returns a copy of what is known of all pods so far.
func (o *observer) lives() map[string]life {
	o.mu.Lock()
	defer o.mu.Unlock()
	lives := map[string]life{}
	for name, l := range o.pods {
		c := *l
		c.log = slices.Clone(l.log)
		lives[name] = c
	}
	return lives
}

// interruptions returns the log lines of workers that gave a job back.
func (o *observer) interruptions() (lines []string) {
	for name, l := range o.lives() {
		for _, line := range l.log {
			if strings.Contains(line, "msg=return") || strings.Contains(line, "msg=\"return") {
				lines = append(lines, name+": "+line)
			}
		}
	}
	return lines
}
