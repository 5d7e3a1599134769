package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes"
)

const (
	pageSize    = 100
	maxPageSize = 1000
	maxScan     = 20_000 // index entries that one call of List looks at
)

// Filter chooses job records. The zero value chooses all.
type Filter struct {
	Lane  string
	State lanes.State
	Kind  string
	Match func(lanes.Record) bool // anything else, such as a label selector
	Since time.Time               // enqueued at or after; with State Dead: died at or after
	Until time.Time               // enqueued before; with State Dead: died before
	Limit int                     // records per page; 0: 100, at most 1000
	After string                  // Page.Next of the page before; "" for the first
}

// Page is part of a list of records.
type Page struct {
	Records []lanes.Record
	// Next continues the list; "" at its end. A page can have few records, or none, and still a Next: a filter that
	// chooses little makes long ways.
	Next string
}

// List returns a page of the chosen records: the newest enqueued first, with State Dead the latest dead first. Records
// that come or go between two pages neither double nor hide others.
func (l *Ledger) List(ctx context.Context, f Filter) (Page, error) {
	key := jobsKey
	if f.State == lanes.Dead {
		key = deadKey
	}
	limit := pageSize
	if f.Limit > 0 {
		limit = min(f.Limit, maxPageSize)
	}
	page := Page{Records: []lanes.Record{}}
	from, err := l.position(ctx, key, f)
	for scanned := 0; err == nil && scanned < maxScan; scanned += scanSize {
		var entries []goredis.Z
		entries, err = l.store.client.ZRevRangeWithScores(ctx, key, from, from+scanSize-1).Result()
		if err != nil {
			break
		}
		var records map[string]lanes.Record
		if records, err = l.read(ctx, members(entries)); err != nil {
			break
		}
		var wrong []any
		for i, e := range entries {
			id := e.Member.(string)
			r, known := records[id]
			switch {
			case e.Score < float64(millis(f.Since)):
				l.repair(ctx, key, wrong)
				page.Next = ""
				return page, nil
			case !f.Until.IsZero() && e.Score >= float64(millis(f.Until)): // came in front of the position meanwhile
			case !known, key == deadKey && r.State != lanes.Dead:
				wrong = append(wrong, id)
			case f.chooses(r):
				page.Records = append(page.Records, r)
			}
			page.Next = strconv.FormatInt(int64(e.Score), 10) + "/" + id
			if len(page.Records) == limit && (i < len(entries)-1 || len(entries) == scanSize) {
				l.repair(ctx, key, wrong)
				return page, nil
			}
		}
		l.repair(ctx, key, wrong)
		if len(entries) < scanSize {
			page.Next = ""
			return page, nil
		}
		from += int64(len(entries) - len(wrong))
	}
	return page, failed("list jobs", err)
}

func (f Filter) chooses(r lanes.Record) bool {
	return (f.Lane == "" || f.Lane == r.Lane) && (f.State == "" || f.State == r.State) && (f.Kind == "" || f.Kind == r.Kind) &&
		(f.Match == nil || f.Match(r))
}

// position is where the page begins, as a rank, newest first: at the entry after the one that the cursor names; when that
// is gone, at the first one that isn't newer. Without a cursor it is the newest one that the filter can choose.
func (l *Ledger) position(ctx context.Context, key string, f Filter) (int64, error) {
	switch {
	case f.After == "" && f.Until.IsZero():
		return 0, nil
	case f.After == "":
		return l.store.client.ZCount(ctx, key, strconv.FormatInt(millis(f.Until), 10), "+inf").Result()
	}
	score, id, ok := strings.Cut(f.After, "/")
	if _, err := strconv.ParseInt(score, 10, 64); err != nil || !ok {
		return 0, fmt.Errorf("%q is not a cursor that a list gave", f.After)
	}
	rank, err := l.store.client.ZRevRank(ctx, key, id).Result()
	if err == nil {
		return rank + 1, nil
	}
	if err != goredis.Nil { //nolint:errorlint // go-redis returns it bare
		return 0, err
	}
	return l.store.client.ZCount(ctx, key, "("+score, "+inf").Result()
}
