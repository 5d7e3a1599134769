// Package cluster examines the Kubernetes namespace of a fleet: what its account may do, whether each pool has its
// Deployment and nobody else scales it, the Lease of the scalers, and the ConfigMaps.
//
// It owns what these facts mean, and the Role that a scaler needs. It never changes an object, and it knows no type of
// Kubernetes: those are internal/kube's.
package cluster
