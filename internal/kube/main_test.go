package kube

import (
	"testing"

	"go.uber.org/goleak"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = nil // they wait by the real clock, which the tests' clock never reaches
	goleak.VerifyTestMain(m)
}
