package rabbitlink_test

import (
	"testing"

	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
)

// A write can fail before the connection is known to be lost: the message is sent again all the same.
// Guard: the verdict of carrier.write on a failed write.
func TestPublishAcrossAFailedWrite(t *testing.T) {
	rabbittest.Declared(t)
	conn := rabbittest.Open(t, rabbittest.Server(t).URL, "publish")
	p := confirms.NewPublisher(conn, 0)
	for range 3 {
		rabbittest.Enqueue(t, p, "bulk", "1")
		if err := conn.StopWriting(); err != nil {
			t.Fatal(err)
		}
		rabbittest.Enqueue(t, p, "bulk", "2")
	}
}
