package reach

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestRegister(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	if _, ok := Running(); ok {
		t.Error("one runs before any was registered")
	}
	forget, err := Register("amqp://a", "redis://a")
	if err != nil {
		t.Fatal(err)
	}
	if l, ok := Running(); !ok || l.AMQPURL != "amqp://a" || l.PID != os.Getpid() {
		t.Errorf("running: %+v, %t", l, ok)
	}
	if _, err := Register("amqp://b", "redis://b"); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("a second one: %v", err)
	}
	forget()

	// One that was killed leaves its file; a process that got its pid isn't it.
	path, err := localFile()
	if err != nil {
		t.Fatal(err)
	}
	stale := fmt.Sprintf(`{"pid": %d, "began": "1"}`, os.Getpid())
	if err := os.WriteFile(path, []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := Running(); ok {
		t.Error("a process with a reused pid was taken for siren up")
	}
	forget, err = Register("amqp://c", "redis://c")
	if err != nil {
		t.Fatal(err)
	}
	forget()
}
