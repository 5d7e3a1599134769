// Package broker examines the RabbitMQ that Siren has: its version and alarms, its queues and exchanges beside what the
// policy asks for, and what a user may do there; through the management API, where there is one, its own policies and
// its nodes.
//
// It owns what these facts mean for Siren, the permissions that each role needs, and the client of the management API.
// It never changes the broker, takes a job, or knows how AMQP asks: that is internal/rabbit's.
package broker
