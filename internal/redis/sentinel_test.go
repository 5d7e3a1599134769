package redis_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
)

// TestSentinel finds the shared Redis through a real sentinel.
func TestSentinel(t *testing.T) {
	_, _ = fresh(t)
	u, err := url.Parse(shared.URL)
	must(t, err)
	password, _ := u.User.Password()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	port := free.Addr().(*net.TCPAddr).Port
	must(t, free.Close())
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	must(t, os.WriteFile(config, fmt.Appendf(nil, "bind 127.0.0.1\nport %d\nrequirepass watchman\nsentinel monitor main 127.0.0.1 %s 1\nsentinel auth-pass main %s\n",
		port, u.Port(), password), 0o600))
	sentinel := exec.CommandContext(t.Context(), "redis-server", config, "--sentinel")
	sentinel.Dir = filepath.Dir(config)
	must(t, sentinel.Start())
	t.Cleanup(func() { _ = sentinel.Process.Kill(); _ = sentinel.Wait() })

	s := open(t, fmt.Sprintf("redis+sentinel://:%s@127.0.0.1:1,127.0.0.1:%d/main?sentinelPassword=watchman", password, port))
	eventually(t, "the sentinel answers", 5*time.Second, func() bool { return s.Ping(t.Context()) == nil })
	l := redis.NewLedger(s, discard)
	claim(t, l, delivery("job", "bulk"), "w", lanes.Granted)
	if r := get(t, ledgerOn(open(t, shared.URL)), "job"); r.State != lanes.Running {
		t.Errorf("record %+v", r)
	}
}
