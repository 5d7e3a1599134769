package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
)

// freePorts finds n different free ports on loopback. They lie below the range from which the kernel takes the ports of
// outgoing connections: a port from there could be taken while its server restarts.
func freePorts(n int) ([]int, error) {
	const first = 10_000
	low := 32_768 // the kernel's default
	if raw, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(raw), &low)
	}
	if low < first+1000 {
		low = 65_536
	}
	var ports []int
	for range 1000 {
		if p := first + rand.IntN(low-first); portFree(p) {
			if ports = append(ports, p); len(ports) == n {
				return ports, nil
			}
		}
	}
	return nil, errors.New("no free port on 127.0.0.1")
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", local(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// local returns the port's address on loopback.
func local(port int) string { return fmt.Sprintf("%s:%d", loopback, port) }
