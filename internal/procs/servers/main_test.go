package servers

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/procs/procstest"
)

func TestMain(m *testing.M) {
	procstest.Main(m, map[string]func(args []string){"servers": crashWithServers, "rooted": crashWithRoot})
}

// crashWithServers starts both servers in the directory, prints their URLs and waits to be killed.
func crashWithServers(args []string) {
	ctx := context.Background()
	for _, start := range []func(context.Context, Options) (*Server, error){StartRedis, StartRabbitMQ} {
		s, err := start(ctx, Options{Dir: args[0]})
		if err != nil {
			panic(err)
		}
		if s.tool != nil {
			if _, err := s.Rabbitmqctl(ctx, "add_user", "kept", "anything"); err != nil {
				panic(err)
			}
		}
		fmt.Println(s.URL)
	}
	time.Sleep(time.Hour)
}

// crashWithRoot starts a Redis from a root, prints its process number and waits to be killed.
func crashWithRoot(args []string) {
	s, err := StartRedis(context.Background(), Options{Dir: args[0], Root: wholeMachine})
	if err != nil {
		panic(err)
	}
	fmt.Println(s.main().PID.Number)
	time.Sleep(time.Hour)
}
