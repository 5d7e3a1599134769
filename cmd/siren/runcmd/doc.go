// Package runcmd is the commands that stay until they are told to end: siren worker, scaler, up and demo. What they run
// is put together in cmd/siren/serve.
package runcmd
