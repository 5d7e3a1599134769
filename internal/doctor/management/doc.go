// Package management examines what only the HTTP API of RabbitMQ's management plugin tells: the broker's own policies,
// which may change Siren's queues, its nodes and their alarms, and what is bound to what.
//
// It owns the client of that API, as far as doctor asks it, and what the answers mean. It only ever reads; nothing else
// of Siren needs the plugin.
package management
