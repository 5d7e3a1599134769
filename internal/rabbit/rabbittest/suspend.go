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
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	goOn, err := SuspendIn(s, "/", queue)
	must(err)
	resume = sync.OnceFunc(func() { must(goOn()) })
	t.Cleanup(resume)
	return resume
}

// SuspendIn stops the process of a queue of a virtual host of that broker, until resume is called.
func SuspendIn(s *servers.Server, vhost, queue string) (resume func() error, err error) {
	tell := func(process string) error {
		// of a quorum queue it is {Name, Node}, which sys knows, too
		return evaluate(s, fmt.Sprintf(`{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<%q>>, queue, <<%q>>)), `+
			"sys:%s(amqqueue:get_pid(Q)).", vhost, queue, process))
	}
	return func() error { return tell("resume") }, tell("suspend")
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

func eval(t testing.TB, s *servers.Server, expression string) {
	t.Helper()
	if err := evaluate(s, expression); err != nil {
		t.Fatal(err)
	}
}

func evaluate(s *servers.Server, expression string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	_, err := s.Rabbitmqctl(ctx, "eval", expression)
	return err
}
