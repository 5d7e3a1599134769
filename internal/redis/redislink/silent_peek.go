//go:build linux || darwin

package redislink

import (
	"syscall"
)

// silent reports whether the socket is open and has no unread data.
func silent(socket syscall.RawConn) bool {
	open := false
	err := socket.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		open = err == syscall.EAGAIN
		return true
	})
	return err == nil && open
}
