package rabbittest

import (
	"fmt"
	"sync"
	"testing"
)

// Suspend stops the process of a queue, as a node that hangs does; resume lets it go on.
func Suspend(t testing.TB, queue string) (resume func()) {
	t.Helper()
	tell := func(process string) {
		t.Helper()
		of := "amqqueue:get_pid(Q)" // of a quorum queue it is {Name, Node}, which sys knows, too
		Ctl(t, "eval", fmt.Sprintf(`{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"%s">>)), sys:%s(%s).`,
			Actual(queue), process, of))
	}
	tell("suspend")
	resume = sync.OnceFunc(func() { tell("resume") })
	t.Cleanup(resume)
	return resume
}
