// Package database examines the Redis that Siren has: its version, memory and persistence, what a login may do there,
// and how far the clocks are apart.
//
// It owns what these facts mean for Siren, and the commands by which a login is tried. It never writes a key: what it
// tries is in a transaction that is thrown away. Which role does what with which key is internal/redis' to say.
package database
