package app

import (
	"bufio"
	"context"
	"errors"
	"os"
	"testing"
)

// A question ends at Ctrl-C, although nobody has typed anything.
func TestInterruptible(t *testing.T) {
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ctx, cancel := context.WithCancel(t.Context())
	typed := bufio.NewReader(Interruptible(ctx, out))
	if _, err := in.WriteString("yes\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := typed.ReadString('\n'); line != "yes\n" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
	cancel()
	if line, err := typed.ReadString('\n'); line != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("after Ctrl-C: %q, %v", line, err)
	}
}
