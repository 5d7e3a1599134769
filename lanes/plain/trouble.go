package plain

import "regexp"

// ownPort is this end of a connection, which is another one in each attempt.
var ownPort = regexp.MustCompile(`[^ ]+:[0-9]+->`)

// Trouble returns what an error says without what differs from one attempt to the next, so that the same trouble is
// known again. It is for comparing, not for showing.
func Trouble(err error) string { return ownPort.ReplaceAllString(err.Error(), "") }
