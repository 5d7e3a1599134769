package kube

import (
	"context"
	"fmt"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// Connect makes a client of the cluster that the kubeconfig names ($KUBECONFIG, else ~/.kube/config) or, without one,
// of the cluster whose pod this is. An empty namespace is that of the kubeconfig's context, or the pod's; part is what
// of Siren the API server knows it as. Nothing is asked of the API server yet.
func Connect(namespace, part string) (kubernetes.Interface, string, error) {
	config := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(),
		&clientcmd.ConfigOverrides{})
	rest, err := config.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("find the Kubernetes cluster: set KUBECONFIG, or run in a pod with a service "+
			"account: %w", err)
	}
	if namespace == "" {
		if namespace, _, err = config.Namespace(); err != nil {
			return nil, "", fmt.Errorf("find the namespace: %w", err)
		}
	}
	rest.QPS, rest.Burst = 50, 100 // marking workers for removal must not hold back the renewal of the lease
	rest.UserAgent = "siren-" + part
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return nil, "", fmt.Errorf("make a client of the Kubernetes cluster: %w", err)
	}
	return client, namespace, nil
}

// Quiet keeps client-go from logging, once a retry, what this package says once.
func Quiet(ctx context.Context) context.Context { return klog.NewContext(ctx, klog.Logger{}) }
