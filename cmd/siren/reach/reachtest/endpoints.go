// Package reachtest sets where the processes of a test look for RabbitMQ and Redis.
package reachtest

import "testing"

// SetEndpoints sets the environment variables of both endpoints, and unsets those that aren't mentioned.
func SetEndpoints(t *testing.T, env map[string]string) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("SIREN_CONFIG", env["SIREN_CONFIG"])
	t.Setenv("SIREN_CONTEXT", env["SIREN_CONTEXT"])
	for _, prefix := range []string{"SIREN_AMQP", "SIREN_REDIS"} {
		for _, name := range []string{"_URL", "_URL_FILE", "_CA_FILE", "_CERT_FILE", "_KEY_FILE"} {
			t.Setenv(prefix+name, env[prefix+name])
		}
	}
}
