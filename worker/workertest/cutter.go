package workertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Cutter is a server, or stands before one, whose connections are slow and break. What breaks is set between requests.
type Cutter struct {
	http.Handler
	Pace int                      // bytes of answers to GETs that come in a second, each by itself; 0: any number
	Most int                      // bytes of the body of an answer to a GET; 0: all
	Cuts int                      // how many answers break; the others are whole
	Cut  func()                   // called before an answer breaks
	Take int                      // bytes of what a request brings that are taken
	Lost int                      // how many requests that bring more than Take break; the others are taken whole
	Deaf func(*http.Request) bool // says of a request that it is carried out, and then not answered; nil: of none

	mu   sync.Mutex
	Asks []string     // Range, and If-Range, of each GET
	Sent atomic.Int64 // bytes of bodies of answers
}

func (c *Cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := &cutWriter{ResponseWriter: w, c: c, left: -1}
	c.mu.Lock()
	switch brings := r.ContentLength != 0 && r.Method != http.MethodGet; {
	case r.Method == http.MethodGet:
		c.Asks = append(c.Asks, strings.TrimSpace(r.Header.Get("Range")+" "+r.Header.Get("If-Range")))
		out.pace = c.Pace
		if c.Most > 0 && c.Cuts > 0 {
			out.left = c.Most
			c.Cuts--
		}
	case brings && c.Lost > 0 && r.ContentLength > int64(c.Take):
		c.Lost--
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, int64(c.Take)), broken{}))
	case c.Deaf != nil && c.Deaf(r):
		out.ResponseWriter = httptest.NewRecorder()
		defer panic(http.ErrAbortHandler)
	}
	c.mu.Unlock()
	c.Handler.ServeHTTP(out, r)
}

// broken is what comes of a connection that has broken.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type cutWriter struct {
	http.ResponseWriter
	c    *Cutter
	left int // bytes; -1: any number
	pace int // bytes in a second; 0: any number
}

func (w *cutWriter) Write(p []byte) (int, error) {
	if w.pace > 0 {
		time.Sleep(time.Duration(len(p)) * time.Second / time.Duration(w.pace))
	}
	if w.left >= 0 && len(p) > w.left {
		n, _ := w.ResponseWriter.Write(p[:w.left])
		w.c.Sent.Add(int64(n))
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		if w.c.Cut != nil {
			w.c.Cut()
		}
		panic(http.ErrAbortHandler)
	}
	n, err := w.ResponseWriter.Write(p)
	w.c.Sent.Add(int64(n))
	if w.left >= 0 {
		w.left -= n
	}
	return n, err
}
