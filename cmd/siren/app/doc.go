// Package app is what all commands of siren share: the streams, the global flags and what came of them, the
// connections, and the helpers by which flags, completions, questions and nouns look the same everywhere.
//
// No command lives here, and nothing here knows one.
package app
