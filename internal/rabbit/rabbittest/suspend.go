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

// Down has the broker answer for a classic queue as for one whose node is down: it isn't found, for another reason than
// that it was never declared. up undoes it.
func Down(t testing.TB, queue string) (up func()) {
	t.Helper()
	tell := func(state string) {
		t.Helper()
		eval(t, Server(t), fmt.Sprintf(`R = rabbit_misc:r(<<"/">>, queue, <<"%s">>),
			F = fun(Q) -> amqqueue:set_state(Q, %s) end,
			case code:ensure_loaded(rabbit_db_queue) of
			{module, M} -> M:update(R, F);
			_ -> rabbit_misc:execute_mnesia_transaction(fun() -> rabbit_amqqueue:update(R, F) end) end.`,
			Actual(queue), state))
	}
	tell("crashed")
	up = sync.OnceFunc(func() { tell("live") })
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
