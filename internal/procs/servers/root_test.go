package servers

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/internal/procs"
	"github.com/polyglot-media/siren/internal/procs/procstest"
)

// wholeMachine is a root that every Debian has: itself. `make test-matrix` runs all tests on servers from other roots.
const wholeMachine = "/"

func TestServersFromARoot(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	authority, err := NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Dir: filepath.Join(t.TempDir(), "with a blank"), Log: procstest.Log(t), Root: wholeMachine,
		TLS: authority, Config: "appendfsync always\n",
	}
	s, err := StartRedis(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	second, err := StartRedis(ctx, Options{Log: procstest.Log(t), Root: wholeMachine})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "SET job running"); got != "+OK" {
		t.Fatal(got)
	}
	checkExposure(t, s, second)
	inside := filepath.Join("/proc", strconv.Itoa(s.main().PID.Number), "root")
	if _, err := os.Stat(filepath.Join(inside, s.home.Path("redis.conf"))); err != nil {
		t.Errorf("it doesn't see its directory: %v", err)
	}
	if _, err := os.Stat(filepath.Join(inside, s.home.Path(".."))); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Join(inside, second.home.Dir)); len(left) > 0 {
		t.Errorf("it sees the other one's directory: %v", left)
	}
	if mounts, _ := os.ReadFile("/proc/self/mounts"); strings.Contains(string(mounts),
		filepath.Base(s.home.Dir)+"/root") {
		t.Errorf("mounted outside, too:\n%s", mounts)
	}

	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "STRLEN job"); got != ":7" {
		t.Errorf("after kill and restart: %s", got)
	}
	servers := []procs.PID{s.main().PID, second.main().PID}
	for _, s := range []*Server{s, second} {
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
	if slices.ContainsFunc(servers, procs.PID.Alive) {
		t.Error("something still runs after Stop")
	}
	if _, err := os.Stat(second.home.Dir); !os.IsNotExist(err) {
		t.Errorf("the temporary directory is left: %v", err)
	}
}

// The signal that says that the parent has ended outlives the namespace's making.
func TestAServerFromARootEndsWithItsParent(t *testing.T) {
	t.Parallel()
	crashed, lines := procstest.Start(t, 1, "rooted", t.TempDir())
	number, err := strconv.Atoi(lines[0])
	if err != nil {
		t.Fatal(err)
	}
	server, err := procs.Identify(number)
	if err != nil {
		t.Fatal(err)
	}
	if err := crashed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = crashed.Wait()
	procstest.Eventually(t, "the server ends with its parent", func() bool { return !server.Alive() })
}

func TestVersions(t *testing.T) {
	t.Parallel()
	start := "\x00\x09\x00\x00\x01\x00\x0ccapabilitiesF\x00\x00\x00\x00\x07productS" +
		"\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x063.10.8"
	for key, want := range map[string]string{"product": "RabbitMQ", "version": "3.10.8", "platform": "?"} {
		if got := serverProperty([]byte(start), key); got != want {
			t.Errorf("%s: %q", key, got)
		}
	}
	if got := serverProperty([]byte(start[:len(start)-3]), "version"); got != "3.1" {
		t.Errorf("cut off: %q", got)
	}
}
