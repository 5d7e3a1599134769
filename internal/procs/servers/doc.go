// Package servers runs a private RabbitMQ and a private Redis from the installed programs: it owns their configuration,
// environment, ports, passwords, certificates and logs. It knows nothing of what they are for: no queue, no key, no
// job.
package servers
