package procs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// probeTimeout bounds one question to a server.
const probeTimeout = 2 * time.Second

// dialLocal connects to a port of ours, with the deadline for the whole exchange set.
func dialLocal(ctx context.Context, port int) (net.Conn, error) {
	d := net.Dialer{Timeout: probeTimeout}
	c, err := d.DialContext(ctx, "tcp", local(port))
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(probeTimeout)); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// probeTCP is nil when the port accepts connections.
func probeTCP(ctx context.Context, port int) error {
	c, err := dialLocal(ctx, port)
	if err != nil {
		return err
	}
	return c.Close()
}

// probeAMQP is nil when an AMQP 0-9-1 server answers the protocol header with Connection.Start (class 10, method 10).
func probeAMQP(ctx context.Context, port int) error {
	c, err := dialLocal(ctx, port)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // nothing is left to be lost
	if _, err := io.WriteString(c, "AMQP\x00\x00\x09\x01"); err != nil {
		return err
	}
	frame := make([]byte, 11) // type, channel (2), size (4), class (2), method (2)
	if _, err := io.ReadFull(c, frame); err != nil {
		return fmt.Errorf("no answer to the AMQP header: %w", err)
	}
	if frame[0] != 1 || frame[8] != 10 || frame[10] != 10 {
		return fmt.Errorf("not an AMQP 0-9-1 server: it answered %q", frame)
	}
	return nil
}

// probeRedis is nil when a Redis takes the password and answers; not while it still loads its data.
func probeRedis(ctx context.Context, port int, password string) error {
	c, err := dialLocal(ctx, port)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // nothing is left to be lost
	if _, err := io.WriteString(c, "AUTH "+password+"\r\nPING\r\n"); err != nil {
		return err
	}
	answers := bufio.NewReader(c)
	for _, want := range []string{"+OK", "+PONG"} {
		line, err := answers.ReadString('\n')
		if err != nil {
			return fmt.Errorf("no answer to AUTH and PING: %w", err)
		}
		if line = strings.TrimSpace(line); line != want {
			return errors.New(line)
		}
	}
	return nil
}
