// Package rabbit is Siren's only door to RabbitMQ: the topology (lane queues, delay queues, dead letters), publishing
// with confirms, taking jobs most urgent lane first, settling them, the backlog, the delay forwarder, and what operators
// do to waiting jobs and dead letters.
//
// It owns the wire: queue and exchange names, queue arguments, header names, and what a lost connection means. It decides
// nothing about jobs: which lane a job belongs to, whether it runs, is tried again or is dead comes from its callers
// as values of package lanes.
//
// Three rules hold everywhere here:
//
//   - One session is one connection with fresh channels. Nothing of an older session is ever settled: the broker has
//     already given those jobs to somebody else. amqp091-go's own recovery stays off, since it settles them.
//   - Publishing and taking never share a connection, because an alarm stops a connection that publishes.
//   - No job's fate hangs on the broker's TTL or dead-lettering. A job moves by being published afresh with confirm, and
//     only then acknowledged; a crash in between makes two of it, never none, and claims make two harmless.
package rabbit
