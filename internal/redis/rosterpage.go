package redis

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/redis/keyspace"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// RosterPage is a part of the roster.
type RosterPage struct {
	Workers []fleet.Heartbeat // by name
	Count   int               // of the workers of all pages
	More    bool              // others come behind the last one
	Now     time.Time         // Redis' own time
}

// Page returns the first workers behind a name, at most so many: of a pool, or with "" of all. Of a large roster it
// costs far less than Workers, since the heartbeats of others aren't decoded.
func (r *Roster) Page(ctx context.Context, pool, after string, most int) (p RosterPage, err error) {
	texts, now, err := r.texts(ctx)
	if err != nil {
		return p, err
	}
	p.Now = now
	name, err := json.Marshal(pool)
	if err != nil {
		return p, err
	}
	says := `"pool":` + string(name) // where it stands in a string, its quotes are escaped
	var behind []string
	for worker, text := range texts {
		ms, body, _ := strings.Cut(text, " ")
		if now.Sub(keyspace.Time(ms)) > forgetAfter || pool != "" && !strings.Contains(body, says) {
			continue
		}
		p.Count++
		if worker > after {
			behind = append(behind, worker)
		}
	}
	slices.Sort(behind)
	p.More = len(behind) > most
	names := map[string]string{}
	for _, worker := range behind[:min(most, len(behind))] {
		ms, body, _ := strings.Cut(texts[worker], " ")
		read := r.decode(worker, body, names)
		if read == nil {
			p.Count--
			continue
		}
		read.said.At = keyspace.Time(ms)
		p.Workers = append(p.Workers, read.said)
	}
	return p, nil
}
