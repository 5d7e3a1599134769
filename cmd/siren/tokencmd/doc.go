// Package tokencmd is the commands about the tokens that let programs and people into the gateway. The file that they
// are in is internal/gateway/auth's.
package tokencmd
