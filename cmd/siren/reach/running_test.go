package reach

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/reach/reachtest"
)

func TestRegister(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	if _, ok := Running(); ok {
		t.Error("one runs before any was registered")
	}
	forget, err := Register("amqp://a", "redis://a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if l, ok := Running(); !ok || l.AMQPURL != "amqp://a" || l.PID != os.Getpid() {
		t.Errorf("running: %+v, %t", l, ok)
	}
	if _, err := Register("amqp://b", "redis://b", nil); err == nil || !strings.Contains(err.Error(), "runs already") {
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
	forget, err = Register("amqp://c", "redis://c", nil)
	if err != nil {
		t.Fatal(err)
	}
	forget()
}

// A role has its own login of the Redis of a `siren up`, if there is one.
func TestLoginsOfUp(t *testing.T) {
	reachtest.SetEndpoints(t, map[string]string{"SIREN_CONFIG": "none"})
	forget, err := Register("amqp://a", "redis://all", map[string]string{"gateway": "redis://gateway"})
	must(t, err)
	defer forget()
	for role, url := range map[string]string{"gateway": "redis://gateway", "worker": "redis://all", "": "redis://all"} {
		e, err := Flags{}.As(role).Find()
		must(t, err)
		if e.Redis.URL != url {
			t.Errorf("%q has %s, want %s", role, e.Redis.URL, url)
		}
	}
}

// Whoever found its servers by a `siren up` goes on with the one that runs at each new connection; and hears that it is
// about to end.
func TestNextUp(t *testing.T) {
	reachtest.SetEndpoints(t, map[string]string{"SIREN_CONFIG": "none"})
	forget, err := Register("amqp://a", "redis://a", nil)
	must(t, err)
	e, err := Flags{}.Find()
	must(t, err)
	if _, ok := e.Stopping(); ok {
		t.Error("it is stopping before it was told to")
	}
	until := time.Now().Add(time.Minute)
	must(t, Stopping(until))
	if late, err := (Flags{}).Find(); err != nil || late.AMQP.URL != "amqp://a" {
		t.Errorf("%+v, %v", late, err)
	} else if at, ok := late.Stopping(); !ok || !at.Equal(until) {
		t.Errorf("it is stopping until %s, %t", at, ok)
	}
	forget()
	for _, server := range []Endpoint{e.AMQP, e.Redis} {
		if _, err := server.renewal()(); !errors.Is(err, ErrEnded) {
			t.Errorf("after its end: %v", err)
		}
	}
	forget, err = Register("amqp://b", "redis://b", nil)
	must(t, err)
	defer forget()
	amqp, err := e.AMQP.renewal()()
	must(t, err)
	if redis, err := e.Redis.renewal()(); err != nil || amqp != "amqp://b" || redis != "redis://b" {
		t.Errorf("with the next one: %s, %s, %v", amqp, redis, err)
	}
}
