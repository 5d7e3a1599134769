// Package kube is the fleet as Kubernetes Deployments: it connects, watches Deployments, ReplicaSets, pods and
// autoscalers, writes through the scale subresource, tells plans as Events, and keeps what must outlive Redis in a
// ConfigMap.
//
// It decides nothing: how many workers there are, and which of them go, is the scaler's. It needs one namespaced Role,
// and creates no object but Events: the Lease and the ConfigMap are there before it.
package kube
