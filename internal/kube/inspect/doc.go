// Package inspect tells what is in a namespace, and what this process may do there, for those who change nothing. What
// is wrong with it, it doesn't say.
package inspect
