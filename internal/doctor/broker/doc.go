// Package broker examines the RabbitMQ that Siren has: its version and alarms, its queues and exchanges beside what the
// policy asks for, and what a user may do there.
//
// It owns what these facts mean for Siren, and the permissions that each role needs. It never changes the broker, takes
// a job, or knows how AMQP asks: that is internal/rabbit's.
package broker
