// Package procs runs local child processes, and sees to it that none is left: it ends their groups with them, them with
// us, and those that an earlier run left when it crashed, which the locked directory of a server or fleet (Home) names.
//
// The rooms below it know what they run: servers a private RabbitMQ or Redis, localfleet the workers of every pool.
// Linux only, since it relies on /proc.
package procs
