// Package keyspace is what Siren's keys and channels in Redis are called, and how times and values stand in them. Every
// name is here, and no other room makes one up.
package keyspace
