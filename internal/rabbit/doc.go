// Package rabbit is what Siren's processes and people do with jobs in RabbitMQ beside running them: enqueueing, the
// backlog, the delay forwarder, moving waiting jobs, dead letters. Below it and take, which is the workers' side, are
// the rooms that both stand on: wire (what messages say), topology (which queues there are), confirms (publishing) and
// rabbitlink (the connection).
//
// All of them own the wire: queue and exchange names, queue arguments, header names, and what a lost connection means.
// They decide nothing about jobs: which lane a job belongs to, whether it runs, is tried again or is dead comes from
// their callers as values of package lanes.
//
// Three rules hold everywhere here:
//
//   - One session is one connection with fresh channels. Nothing of an older session is ever settled: the broker has
//     already given those jobs to somebody else. amqp091-go's own recovery stays off, since it settles them.
//   - Publishing and taking never share a connection, because an alarm stops a connection that publishes.
//   - No job's fate hangs on the broker's TTL or dead-lettering. A job moves by being published afresh with confirm,
//     and only then acknowledged; a crash in between makes two of it, never none, and claims make two harmless.
package rabbit
