package jobrecord

import (
	"context"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/lanes/job"
)

// pageSize is how many records a page has when nobody says.
const pageSize = 100

// Filter chooses job records. The zero value chooses all.
type Filter struct {
	Lane   string
	State  job.State
	Kind   string
	Prefix string                // how the ids begin; the records of others aren't read
	Match  func(job.Record) bool // anything else, such as a label selector
	Since  time.Time             // enqueued at or after; with State Dead: died at or after
	Until  time.Time             // enqueued before; with State Dead: died before
	Limit  int                   // records on a page of List; 0: 100
	After  string                // Page.Next of the page before; "" for the first
	Look   int                   // records that List looks through for a page, about; 0: all that it takes

	OldestFirst bool // the other way round
}

// Page is part of a list of records.
type Page struct {
	Records []job.Record
	Next    string // continues the list; "" at its end
}

var cursorForm = regexp.MustCompile(`^[0-9]+/.+$`)

// IsCursor reports whether text may be a Page's Next.
func IsCursor(text string) bool { return cursorForm.MatchString(text) }

// List returns a page of the chosen records: the newest enqueued first, with State Dead the latest dead first. Records
// that come or go between two pages neither double nor hide others. A page costs what it shows, and what the filter
// passes over: with Look it ends sooner, short of its Limit and with a Next, when it has looked through that many.
func (r *Reader) List(ctx context.Context, f Filter) (Page, error) {
	size := pageSize
	if f.Limit > 0 {
		size = f.Limit
	}
	page := Page{Records: []job.Record{}}
	w, err := r.walk(f)
	looked := 0
	for n := min(size, BatchSize); err == nil; n = min(2*n, BatchSize) { // a filter that chooses little makes long ways
		var chosen []job.Record
		if chosen, err = w.step(ctx, n); err != nil || w.over {
			break
		}
		room := size - len(page.Records)
		page.Records = append(page.Records, chosen[:min(room, len(chosen))]...)
		if len(chosen) > room {
			page.Next = w.cursor(page.Records[size-1].ID)
			break
		}
		if len(chosen) == room {
			page.Next = w.cursor(w.at.Member.(string))
			var more []goredis.Z
			if more, err = w.take(ctx, 1); len(more) == 0 {
				page.Next = ""
			}
			break
		}
		if looked += len(w.scores); f.Look > 0 && looked >= f.Look {
			page.Next = w.cursor(w.at.Member.(string))
			break
		}
	}
	return page, redislink.Failed("list jobs", err)
}

// Each yields the chosen records in one pass, in the order of List: each of them is read once, whatever comes and goes
// meanwhile. What is enqueued meanwhile (with State Dead: dies) comes only with OldestFirst. An error ends it.
func (r *Reader) Each(ctx context.Context, f Filter) iter.Seq2[job.Record, error] {
	return func(yield func(job.Record, error) bool) {
		w, err := r.walk(f)
		for err == nil && !w.over {
			var chosen []job.Record
			chosen, err = w.step(ctx, BatchSize)
			for _, r := range chosen {
				if !yield(r, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(job.Record{}, redislink.Failed("list jobs", err))
		}
	}
}

func (f Filter) chooses(r job.Record) bool {
	return (f.Lane == "" || f.Lane == r.Lane) && (f.State == "" || f.State == r.State) &&
		(f.Kind == "" || f.Kind == r.Kind) && (f.Match == nil || f.Match(r))
}

// walk is a pass over an index. It goes on by time and id, never by rank: entries that come and go shift the ranks.
type walk struct {
	Filter
	reader *Reader
	key    string
	over   bool

	at     goredis.Z          // how far it has come; no Member: nowhere yet
	last   goredis.Z          // the entry that was looked at last, where the next look begins; no Member: none
	ties   int64              // entries of the same time up to that one, it included
	scores map[string]float64 // of the latest step's entries
}

// walk begins a pass.
func (r *Reader) walk(f Filter) (*walk, error) {
	w := &walk{Filter: f, reader: r, key: keyspace.Jobs}
	if f.State == job.Dead {
		w.key = keyspace.Dead
	}
	if f.After == "" {
		return w, nil
	}
	score, id, ok := strings.Cut(f.After, "/")
	ms, err := strconv.ParseInt(score, 10, 64)
	if err != nil || !ok {
		return nil, fmt.Errorf("%q is not a cursor that a list gave", f.After)
	}
	if f.Until.IsZero() || ms < keyspace.Millis(f.Until) {
		w.at = goredis.Z{Score: float64(ms), Member: id}
	}
	return w, nil
}

// cursor returns the place behind an entry of the latest step.
func (w *walk) cursor(id string) string { return strconv.FormatInt(int64(w.scores[id]), 10) + "/" + id }

// step reads the records of the next n entries and returns those that are chosen; over is set when there are no more.
func (w *walk) step(ctx context.Context, n int) ([]job.Record, error) {
	entries, err := w.take(ctx, n)
	if err != nil {
		return nil, err
	}
	w.over = len(entries) == 0
	w.scores = make(map[string]float64, len(entries))
	for _, e := range entries {
		w.scores[e.Member.(string)] = e.Score
	}
	ids := slices.DeleteFunc(members(entries), func(id string) bool { return !strings.HasPrefix(id, w.Prefix) })
	records, err := w.reader.read(ctx, ids)
	if err != nil {
		return nil, err
	}
	var chosen []job.Record
	var wrong []any
	for _, id := range ids {
		switch r, known := records[id]; {
		case !known, w.key == keyspace.Dead && r.State != job.Dead:
			wrong = append(wrong, id)
		case w.chooses(r):
			chosen = append(chosen, r)
		}
	}
	w.reader.Repair(ctx, w.key, wrong)
	return chosen, nil
}

// take returns the next n entries of the index, or fewer; none at its end. It first checks that the entry that it has
// seen last is still at its place. Otherwise entries of the same time have come or gone, and it looks through these
// from the first one on.
func (w *walk) take(ctx context.Context, n int) ([]goredis.Z, error) {
	for {
		again := w.last.Member != nil
		look := goredis.ZRangeBy{Count: int64(n)}
		look.Min, look.Max = w.bounds()
		if again {
			look.Offset, look.Count = w.ties-1, look.Count+1
		}
		entries, err := w.look(ctx, &look)
		if err != nil {
			return nil, err
		}
		if again && (len(entries) == 0 || entries[0] != w.last) {
			w.last = goredis.Z{}
			continue
		}
		if again {
			entries = entries[1:]
		}
		if len(entries) == 0 {
			return nil, nil
		}
		w.pass(entries)
		if fresh := slices.DeleteFunc(entries, w.passed); len(fresh) > 0 {
			w.at = fresh[len(fresh)-1]
			return fresh, nil
		}
	}
}

func (w *walk) look(ctx context.Context, by *goredis.ZRangeBy) ([]goredis.Z, error) {
	client := w.reader.store.Client()
	if w.OldestFirst {
		return client.ZRangeByScoreWithScores(ctx, w.key, by).Result()
	}
	return client.ZRevRangeByScoreWithScores(ctx, w.key, by).Result()
}

// bounds returns the times between which the rest of the index lies.
func (w *walk) bounds() (least, most string) {
	least, most = "-inf", "+inf"
	if !w.Since.IsZero() {
		least = strconv.FormatInt(keyspace.Millis(w.Since), 10)
	}
	if !w.Until.IsZero() {
		most = "(" + strconv.FormatInt(keyspace.Millis(w.Until), 10)
	}
	if w.at.Member == nil {
		return least, most
	}
	here := strconv.FormatInt(int64(w.at.Score), 10)
	if w.OldestFirst {
		return here, most
	}
	return least, here
}

// pass notes that entries have been looked at.
func (w *walk) pass(entries []goredis.Z) {
	for _, e := range entries {
		if w.last.Member == nil || e.Score != w.last.Score {
			w.ties = 0
		}
		w.last = e
		w.ties++
	}
}

// passed reports whether the walk has been at an entry before, or beyond it.
func (w *walk) passed(e goredis.Z) bool {
	switch {
	case w.at.Member == nil:
		return false
	case e.Score != w.at.Score:
		return w.OldestFirst == (e.Score < w.at.Score)
	case w.OldestFirst:
		return e.Member.(string) <= w.at.Member.(string)
	default:
		return e.Member.(string) >= w.at.Member.(string)
	}
}
