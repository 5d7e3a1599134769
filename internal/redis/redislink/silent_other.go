//go:build !linux && !darwin

package redislink

import (
	"syscall"
)

// silent is unknown here: a closed connection shows when it is used.
func silent(syscall.RawConn) bool { return true }
