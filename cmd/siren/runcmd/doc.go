// Package runcmd is the commands that stay until they are told to end: siren worker, scaler and up. What they run
// is put together in cmd/siren/serve.
package runcmd
