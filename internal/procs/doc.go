// Package procs runs Siren's parts as local processes: a private RabbitMQ and a private Redis from the installed
// programs (StartRabbitMQ, StartRedis), and the workers of every pool as child processes (Fleet).
//
// It owns the processes: their environment, ports, passwords, logs, their end, and what an earlier run that crashed
// left behind. It knows nothing of what they do: no queue, no key, no job. Linux only, since it relies on /proc.
package procs
