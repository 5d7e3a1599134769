package rabbittest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs/servers"
)

// Suspend stops the process of a queue, as a node that hangs does; resume lets it go on.
func Suspend(t testing.TB, queue string) (resume func()) {
	t.Helper()
	return SuspendOn(t, Server(t), Actual(queue))
}

// SuspendOn stops the process of a queue of that broker.
func SuspendOn(t testing.TB, s *servers.Server, queue string) (resume func()) {
	t.Helper()
	tell := func(process string) {
		t.Helper()
		// of a quorum queue it is {Name, Node}, which sys knows, too
		eval(t, s, fmt.Sprintf(find+"sys:%s(amqqueue:get_pid(Q)).", queue, process))
	}
	tell("suspend")
	resume = sync.OnceFunc(func() { tell("resume") })
	t.Cleanup(resume)
	return resume
}

// Down has the broker say of a classic queue what it says while the node that the queue is on is down; up undoes it.
func Down(t testing.TB, queue string) (up func()) {
	t.Helper()
	return DownOn(t, Server(t), Actual(queue))
}

// DownOn is Down of a queue of that broker. Where it has rabbit_db_queue, the queue has crashed: the code is the same.
func DownOn(t testing.TB, s *servers.Server, queue string) (up func()) {
	t.Helper()
	tell := func(state, table string) {
		t.Helper()
		eval(t, s, fmt.Sprintf(`R = rabbit_misc:r(<<"/">>, queue, <<"%s">>),
			case code:ensure_loaded(rabbit_db_queue) of
			{module, M} -> M:update(R, fun(Q) -> amqqueue:set_state(Q, %s) end);
			_ -> [Q] = mnesia:dirty_read(rabbit_durable_queue, R), %s end.`, queue, state, table))
	}
	tell("crashed", "mnesia:dirty_delete(rabbit_queue, R)")
	up = sync.OnceFunc(func() { tell("live", "mnesia:dirty_write(rabbit_queue, Q)") })
	t.Cleanup(up)
	return up
}

// find begins an Erlang expression with the queue of virtual host / as Q.
const find = `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"%s">>)), `

func eval(t testing.TB, s *servers.Server, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := s.Rabbitmqctl(ctx, "eval", expression); err != nil {
		t.Fatal(err)
	}
}
