package kube

import (
	"context"
	"fmt"
	"log/slog"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	"github.com/polyglot-media/siren/lanes/fleet"
	"github.com/polyglot-media/siren/lanes/plain"
)

// longest is how many bytes an Event's message may have.
const longest = 1024

// everyPlan lets every plan through. client-go's own limits are for components that say the same over and over: they
// let 25 Events of an object through and one every 5 minutes from then on, and drop the text of all but ten that have
// the same reason. Here a pool has at most one plan a second, and one that is the same to the letter only counts up.
var everyPlan = record.CorrelatorOptions{
	BurstSize: 300, QPS: 1,
	KeyFunc: func(e *corev1.Event) (aggregate, local string) {
		aggregate, local = record.EventAggregatorByReasonFunc(e)
		return aggregate + local, local
	},
}

// Events tells plans as Events on the pools' Deployments.
type Events struct {
	fleet       *Fleet
	broadcaster record.EventBroadcaster
	recorder    record.EventRecorder
}

// NewEvents begins to send Events in the name of a scaler's pod. Close ends it.
func NewEvents(client kubernetes.Interface, f *Fleet, name string) *Events {
	b := record.NewBroadcaster(record.WithCorrelatorOptions(everyPlan), record.WithContext(Quiet(context.Background())))
	b.StartRecordingToSink(&eventSink{typedcore.EventSinkImpl{Interface: client.CoreV1().Events(f.namespace)}, f.log})
	recorder := b.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "siren-scaler", Host: name})
	return &Events{f, b, recorder.WithLogger(klog.Logger{})}
}

// Close stops sending.
func (e *Events) Close() { e.broadcaster.Shutdown() }

// Record tells a plan as an Event on its pool's Deployment: the reason, and the sentence. It doesn't wait until the API
// server has it; what the API server refuses is logged.
func (e *Events) Record(_ context.Context, p fleet.Plan) error {
	d, err := e.fleet.deployment(p.Pool)
	if err != nil {
		return fmt.Errorf("record the plan for pool %q as an Event: %w", p.Pool, err)
	}
	kind := corev1.EventTypeNormal
	if p.Reason.Trouble() {
		kind = corev1.EventTypeWarning
	}
	e.recorder.Event(d, kind, string(p.Reason), plain.Clip(p.Why, longest-len("…")))
	return nil
}

// eventSink logs what doesn't get through.
type eventSink struct {
	typedcore.EventSinkImpl
	log *slog.Logger
}

// Create makes an Event.
func (s *eventSink) Create(e *corev1.Event) (*corev1.Event, error) {
	made, err := s.EventSinkImpl.Create(e)
	return made, s.told(e, err)
}

// Patch counts an Event up.
func (s *eventSink) Patch(e *corev1.Event, data []byte) (*corev1.Event, error) {
	made, err := s.EventSinkImpl.Patch(e, data)
	return made, s.told(e, err)
}

func (s *eventSink) told(e *corev1.Event, err error) error {
	if err != nil {
		s.log.Warn("record a plan as an Event", "deployment", e.InvolvedObject.Name, "reason", e.Reason, "error", err)
	}
	return err
}
