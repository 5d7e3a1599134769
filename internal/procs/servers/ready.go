package servers

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// probeTimeout bounds one question to a server.
const probeTimeout = 2 * time.Second

// dial connects to a server of ours, with the deadline for the whole exchange set.
func dial(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: probeTimeout}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(probeTimeout)); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// askTCP succeeds when the address accepts connections. No version comes of it.
func askTCP(ctx context.Context, address string) (version string, err error) {
	c, err := dial(ctx, address)
	if err != nil {
		return "", err
	}
	return "", c.Close()
}

// askAMQP sends the protocol header, and returns the product and version that an AMQP 0-9-1 server names in its
// Connection.Start (class 10, method 10).
func askAMQP(ctx context.Context, address string) (version string, err error) {
	c, err := dial(ctx, address)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }() // nothing is left to be lost
	if _, err := io.WriteString(c, "AMQP\x00\x00\x09\x01"); err != nil {
		return "", err
	}
	head := make([]byte, 11) // type, channel (2), size (4), class (2), method (2)
	if _, err := io.ReadFull(c, head); err != nil {
		return "", fmt.Errorf("no answer to the AMQP header: %w", err)
	}
	size := binary.BigEndian.Uint32(head[3:]) // of what comes after it
	if head[0] != 1 || head[8] != 10 || head[10] != 10 || size < 4 || size > 1<<16 {
		return "", fmt.Errorf("not an AMQP 0-9-1 server: it answered %q", head)
	}
	start := make([]byte, size-4)
	if _, err := io.ReadFull(c, start); err != nil {
		return "", fmt.Errorf("half an answer to the AMQP header: %w", err)
	}
	return serverProperty(start, "product") + " " + serverProperty(start, "version"), nil
}

// serverProperty finds a long string by its key in the table of Connection.Start: length and key, 'S', length (4),
// text.
func serverProperty(table []byte, key string) string {
	_, rest, found := bytes.Cut(table, append([]byte{byte(len(key))}, key+"S"...))
	if !found || len(rest) < 4 {
		return "?"
	}
	n := min(int(binary.BigEndian.Uint32(rest)), len(rest)-4)
	return string(rest[4 : 4+n])
}

// askRedis returns the product and version of a Redis that takes the password and answers, which it doesn't while it
// still loads its data. A Valkey names its own version, and that of the Redis which it stands for.
func askRedis(ctx context.Context, address, password string) (version string, err error) {
	c, err := dial(ctx, address)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }() // nothing is left to be lost
	if _, err := io.WriteString(c, "AUTH "+password+"\r\nPING\r\nINFO server\r\n"); err != nil {
		return "", err
	}
	answers := bufio.NewReader(c)
	for _, want := range []string{"+OK\r\n", "+PONG\r\n"} {
		line, err := answers.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("no answer to AUTH and PING: %w", err)
		}
		if line != want {
			return "", fmt.Errorf("it answers AUTH and PING with %q", line)
		}
	}
	var size int // of what INFO answers
	if _, err := fmt.Fscanf(answers, "$%d\r\n", &size); err != nil {
		return "", fmt.Errorf("no answer to INFO: %w", err)
	}
	text := make([]byte, min(max(size, 0), 1<<16))
	if _, err := io.ReadFull(answers, text); err != nil {
		return "", fmt.Errorf("half an answer to INFO: %w", err)
	}
	info := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		info[key] = value
	}
	if v := info["valkey_version"]; v != "" {
		return "Valkey " + v, nil
	}
	return "Redis " + cmp.Or(info["redis_version"], "?"), nil
}
