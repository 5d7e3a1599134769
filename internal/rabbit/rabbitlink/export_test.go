package rabbitlink

import (
	"net"
	"time"
)

// SetLooks shortens the time between two looks at the broker's addresses, and between two moves.
func (c *Conn) SetLooks(every time.Duration) { c.pace = pace{every, every, every} }

// StopWriting makes every write on the live session fail, while reads go on until the broker hangs up.
func (c *Conn) StopWriting() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.raw.(*net.TCPConn).CloseWrite()
}
