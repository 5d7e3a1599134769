//go:build e2e

// Package e2e runs Siren as its users do: installed by Helm on the cluster that KUBECONFIG names, with real pods,
// brokers and media. `make e2e` says what it needs.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// What the suite runs against; scripts/e2e sets it.
var (
	image       = variable("SIREN_E2E_IMAGE", "the control side's image, repository:tag")
	workerImage = variable("SIREN_E2E_WORKER_IMAGE", "the workers' image")
	nextTag     = variable("SIREN_E2E_NEXT_TAG", "another tag that both images have: the next version")
	aidImage    = variable("SIREN_E2E_AID_IMAGE", "versitygw (an S3 server) and test/e2e/aid")
	// a values file that says which images RabbitMQ and Redis have; "": the official ones.
	brokers = os.Getenv("SIREN_E2E_VALUES")
)

// runs is how often what is measured is repeated; medians of 5 are what docs/benchmarks.md tells.
var runs = 5

var (
	cluster    *rest.Config
	kubeClient kubernetes.Interface
	missing    []string
)

func variable(name, what string) string {
	v := os.Getenv(name)
	if v == "" {
		missing = append(missing, fmt.Sprintf("  %s: %s", name, what))
	}
	return v
}

func TestMain(m *testing.M) {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "end-to-end tests:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func prepare() error {
	if len(missing) > 0 {
		return fmt.Errorf("run `make e2e`, which sets these:\n%s", strings.Join(missing, "\n"))
	}
	if n, err := strconv.Atoi(os.Getenv("SIREN_E2E_RUNS")); err == nil {
		runs = n
	}
	for _, program := range []string{"kubectl", "helm", "ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(program); err != nil {
			return err
		}
	}
	var err error
	cluster, err = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return err
	}
	cluster.QPS, cluster.Burst = 50, 100
	kubeClient, err = kubernetes.NewForConfig(cluster)
	if err != nil {
		return err
	}
	_, err = kubeClient.Discovery().ServerVersion()
	return err
}
