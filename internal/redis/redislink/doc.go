// Package redislink is the connection to one Redis: TLS, logins that change, connections that lead to the wrong server
// by now, retries, Redis' clock, and what its errors mean for us. What is said over it, it doesn't know: no key, no
// job.
package redislink
