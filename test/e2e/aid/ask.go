package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// asker asks a gateway as strict clients do: a request isn't sent again behind anybody's back, and a connection is left
// when an answer says so, or when the gateway has closed it. It prints one line for each answer of interest:
//
//	accepted KEY ID       a job was answered with 202
//	failed WHAT: WHY      a request wasn't answered with 2xx, or not at all
//	asked WHAT N          at the end: how many requests there were
//	stream PATH N         at the end: how many connections a stream took; "ended" behind it: the job has ended
type asker struct {
	host  string // and port
	token string
	job   string // a request's body, with KEY in it
	name  string // that its keys begin with

	mu    sync.Mutex
	asked map[string]int
}

// ask asks until SIGTERM: aid ask HOST:PORT NAME JOB WATCHED. The token is in TOKEN.
func ask(args []string) error {
	if len(args) != 4 {
		return errors.New("usage: aid ask HOST:PORT NAME JOB WATCHED")
	}
	a := &asker{host: args[0], token: os.Getenv("TOKEN"), name: args[1], job: args[2], asked: map[string]int{}}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var all sync.WaitGroup
	every := func(what string, pause time.Duration, keep bool, do func(*link, string) error) {
		all.Go(func() { a.repeat(ctx, what, pause, &link{asker: a, keep: keep}, do) })
	}
	every("enqueue-kept", time.Second/2, true, a.enqueue)
	every("enqueue-new", time.Second/2, false, a.enqueue)
	every("look-kept", time.Second/20, true, a.look)
	every("look-new", time.Second/20, false, a.look)
	for i := range 4 { // what is idle for a while meets a gateway that closes connections
		every(fmt.Sprintf("look-idle-%d", i), 4*time.Second, true, a.look)
	}
	watched := "/v1/jobs/" + args[3] + "/events"
	for _, path := range []string{watched, "/v1/events"} {
		all.Go(func() { a.listen(ctx, path) })
	}
	all.Wait()
	for _, what := range slices.Sorted(maps.Keys(a.asked)) {
		fmt.Println("asked", what, a.asked[what])
	}
	return nil
}

// repeat does something again and again, with pauses of up to twice the given one.
func (a *asker) repeat(ctx context.Context, what string, pause time.Duration, l *link, do func(*link, string) error) {
	defer l.close()
	for n := 0; ctx.Err() == nil; n++ {
		err := do(l, fmt.Sprintf("%s-%s-%d", a.name, what, n))
		a.mu.Lock()
		a.asked[what]++
		a.mu.Unlock()
		if err != nil {
			fmt.Printf("failed %s: %v\n", what, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(2 * pause)):
		}
	}
}

// enqueue sends a job until it is accepted, and returns what went wrong the first time.
func (a *asker) enqueue(l *link, key string) (first error) {
	body := strings.ReplaceAll(a.job, "KEY", key)
	for range 100 {
		var sent struct{ ID string }
		r, err := l.send(http.MethodPost, "/v1/jobs", body, "Idempotency-Key", key)
		if err == nil {
			err = json.Unmarshal(r, &sent)
		}
		if err == nil {
			fmt.Println("accepted", key, sent.ID)
			return first
		}
		if first == nil {
			first = err
		}
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("never accepted: %w", first)
}

func (a *asker) look(l *link, _ string) error {
	_, err := l.send(http.MethodGet, "/v1/jobs?limit=1", "")
	return err
}

// link is a connection to the gateway, one after the other.
type link struct {
	*asker
	keep bool // for the next request
	conn net.Conn
	in   *bufio.Reader
}

func (l *link) close() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

// send makes one request and returns the answer, which has to be 2xx.
func (l *link) send(method, path, body string, headers ...string) ([]byte, error) {
	r, err := l.begin(method, path, body, headers...)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(r.Body)
	if err != nil {
		l.close()
		return nil, err
	}
	if !l.keep || r.Close {
		l.close()
	}
	if r.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s: %s", r.Status, bytes.TrimSpace(answer))
	}
	return answer, nil
}

// begin sends one request, and returns the answer as it begins to come.
func (l *link) begin(method, path, body string, headers ...string) (*http.Response, error) {
	q, err := http.NewRequest(method, "http://"+l.host+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Authorization", "Bearer "+l.token)
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	q.Close = !l.keep
	if l.conn != nil && l.closed() {
		l.close()
	}
	if l.conn == nil {
		conn, err := net.DialTimeout("tcp", l.host, 10*time.Second)
		if err != nil {
			return nil, err
		}
		l.conn, l.in = conn, bufio.NewReader(conn)
	}
	_ = l.conn.SetDeadline(time.Now().Add(20 * time.Second))
	if err = q.Write(l.conn); err == nil {
		var r *http.Response
		if r, err = http.ReadResponse(l.in, q); err == nil {
			return r, nil
		}
	}
	l.close()
	return nil, err
}

// closed reports whether the gateway has closed the connection, as far as is known here.
func (l *link) closed() bool {
	_ = l.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := l.in.Peek(1)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// listen follows a stream to its end, over as many connections as it takes.
func (a *asker) listen(ctx context.Context, path string) {
	last, n := "", 0
	for ctx.Err() == nil {
		n++
		l := &link{asker: a}
		ended, err := l.hear(ctx, path, &last)
		l.close()
		if ended {
			fmt.Println("stream", path, n, "ended")
			return
		}
		if err != nil && ctx.Err() == nil {
			fmt.Printf("failed %s: %v\n", path, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	fmt.Println("stream", path, n)
}

// hear reads a stream until the connection ends, or what it tells of has ended.
func (l *link) hear(ctx context.Context, path string, last *string) (ended bool, err error) {
	r, err := l.begin(http.MethodGet, path, "", "Last-Event-ID", *last)
	if err != nil {
		return false, err
	}
	if r.StatusCode != http.StatusOK {
		return false, errors.New(r.Status)
	}
	conn := l.conn
	_ = conn.SetDeadline(time.Time{})
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	again := *last
	for lines := bufio.NewReader(r.Body); ; {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if id, is := strings.CutPrefix(line, "id: "); is {
			if *last = strings.TrimSpace(id); *last == again {
				return false, errors.New("it says again what was heard: " + again)
			}
			again = ""
		}
		if strings.TrimSpace(line) == "event: end" {
			return true, nil
		}
	}
}
