package site

import (
	"net"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/polyglot-media/siren/test/cluster"
)

func TestMain(m *testing.M) {
	code, done := cluster.AsRoot(nil, nil)
	if !done {
		code = m.Run()
	}
	os.Exit(code)
}

// TestDisk fills a disk but for a block, and empties it.
func TestDisk(t *testing.T) {
	d, err := mountDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.unmount(); err != nil {
			t.Error(err)
		}
	})
	free := func() uint64 {
		t.Helper()
		var disk unix.Statfs_t
		if err := unix.Statfs(d.path, &disk); err != nil {
			t.Fatal(err)
		}
		return disk.Bavail
	}
	for _, blocks := range []int64{0, 1} {
		if err := d.FillBut(blocks); err != nil {
			t.Fatal(err)
		}
		if n := free(); n != uint64(blocks) {
			t.Errorf("%d blocks are free, want %d", n, blocks)
		}
		if err := d.Empty(); err != nil {
			t.Fatal(err)
		}
	}
	if free() < 1000 {
		t.Error("it is still full")
	}
}

// TestAddresses takes a URL with several addresses apart.
func TestAddresses(t *testing.T) {
	want := []string{"amqp://u:p@a:1/v", "amqp://u:p@b:2/v"}
	if got := Addresses("amqp://u:p@a:1,b:2/v"); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := Addresses(want[0]); !slices.Equal(got, want[:1]) {
		t.Errorf("%v, want %v", got, want[:1])
	}
}

// TestConnectedTo finds the ports that somebody is connected to, and no others.
func TestConnectedTo(t *testing.T) {
	var ports []int
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	c, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: ports[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	found, err := connectedTo()
	if err != nil || !found[ports[0]] || found[ports[1]] {
		t.Errorf("connections to %v: %v, %v; want one to the first", ports, found, err)
	}
}
