// Package plain makes texts that strangers wrote fit to be kept and shown: it cuts them, finds the characters that
// would change what is shown around them, and hides the secrets in their URLs. It also guesses which name was meant.
package plain
