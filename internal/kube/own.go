package kube

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/polyglot-media/siren/lanes/plain"
)

// PolicyRefused is the reason of the Events that tell of a policy that isn't followed.
const PolicyRefused = "PolicyRefused"

const (
	tellAgain  = 10 * time.Minute // what still holds, since the API server forgets Events
	tellWithin = 3 * time.Second  // it must not hold up the leader
)

// Own tells, as Events on the scalers' own Deployment, what keeps a scaler from doing as it is told: it is there that
// people look after an upgrade. One goroutine may use it.
type Own struct {
	Client    kubernetes.Interface
	Namespace string
	Pod       string // this process's
	Log       *slog.Logger

	said string
	at   time.Time
}

// Refused tells why a policy is refused; "" is none. What was told lately isn't told again. What doesn't get through is
// logged.
func (o *Own) Refused(ctx context.Context, why string) {
	now := time.Now()
	if why == o.said && (why == "" || now.Sub(o.at) < tellAgain) {
		return
	}
	o.said, o.at = why, now
	if why == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	if err := o.warn(ctx, PolicyRefused, why); err != nil {
		o.Log.Warn("tell of the refused policy as an Event on the scaler's Deployment", "pod", o.Pod, "error", err)
	}
}

func (o *Own) warn(ctx context.Context, reason, why string) error {
	about, err := o.deployment(ctx)
	if err != nil {
		return err
	}
	now := metav1.Now()
	_, err = o.Client.CoreV1().Events(o.Namespace).Create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s.%x", about.Name, now.UnixNano()), Namespace: o.Namespace,
		},
		InvolvedObject: about, Reason: reason, Message: plain.Clip(why, longest-len("…")),
		Type: corev1.EventTypeWarning, Source: corev1.EventSource{Component: "siren-scaler", Host: o.Pod},
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}, metav1.CreateOptions{})
	return err
}

// deployment returns the one that the pod belongs to.
func (o *Own) deployment(ctx context.Context) (about corev1.ObjectReference, err error) {
	p, err := o.Client.CoreV1().Pods(o.Namespace).Get(ctx, o.Pod, metav1.GetOptions{})
	if err != nil {
		return about, err
	}
	owner := metav1.GetControllerOf(p)
	if owner == nil || owner.Kind != "ReplicaSet" {
		return about, fmt.Errorf("pod %s belongs to no ReplicaSet", o.Pod)
	}
	rs, err := o.Client.AppsV1().ReplicaSets(o.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
	if err != nil {
		return about, err
	}
	d := metav1.GetControllerOf(rs)
	if d == nil || d.Kind != "Deployment" {
		return about, fmt.Errorf("ReplicaSet %s belongs to no Deployment", rs.Name)
	}
	return corev1.ObjectReference{
		APIVersion: appsv1.SchemeGroupVersion.String(), Kind: d.Kind, Namespace: o.Namespace, Name: d.Name, UID: d.UID,
	}, nil
}
