package election

import (
	"os"
	"testing"

	"go.uber.org/goleak"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(leaderVar); url != "" {
		runLeader(url)
	}
	utilruntime.ErrorHandlers = nil // they wait by the real clock, which the tests' clock never reaches
	goleak.VerifyTestMain(m)
}
