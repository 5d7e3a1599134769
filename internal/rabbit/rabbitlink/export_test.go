package rabbitlink

import (
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// SetLooks shortens the time between two looks at the broker's addresses, and between two moves.
func (c *Conn) SetLooks(every time.Duration) { c.pace = pace{every, every, every} }

// SetHops shortens the time between two moves alone.
func (c *Conn) SetHops(hop time.Duration) { c.pace.hop = hop }

// SetOpens shortens the time for opening a channel, of sessions to come.
func (c *Conn) SetOpens(within time.Duration) { c.opens = within }

// OpensWithin returns how long a channel may take to open.
func (s *Session) OpensWithin() time.Duration { return s.opens }

// Alarm has the session know of an alarm.
func (s *Session) Alarm() { s.setBlock(amqp.Blocking{Active: true, Reason: "memory"}) }

// StopWriting makes every write on the live session fail, while reads go on until the broker hangs up.
func (c *Conn) StopWriting() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.raw.(*net.TCPConn).CloseWrite()
}
