package redis

import (
	"context"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/polyglot-media/siren/lanes"
)

const nthPerMilli = 2048 // see enter in waiting.lua

// Place is where a queued job stands: how many queued jobs of its lane stand before it.
type Place struct {
	Known int  // that were ready when they were last counted in the broker
	Newer int  // that have become ready since
	Own   bool // the job itself was ready then

	Higher int // of all of these, those of a higher priority
}

// Ahead counts the queued jobs of a queued job's lane that stand before it: those of a higher priority, and of its own those that became ready
// earlier, or in the same call and before it. counted is when the lane's queue was looked at. A job without a record isn't counted.
func (r *Reader) Ahead(ctx context.Context, id string, counted time.Time) (Place, error) {
	doing := "look at the jobs before job " + id
	own, err := r.fields(ctx, []string{id}, "lane", "ready", "nth", "priority")
	if err != nil {
		return Place{}, failed(doing, err)
	}
	lane, ready, priority := own[0][0], number(own[0][1]), int(number(own[0][3]))
	place := strconv.FormatFloat(float64(ready)+float64(number(own[0][2]))/nthPerMilli, 'f', -1, 64)
	was := score(counted)
	var before, late []*goredis.IntCmd // of each priority from its own on
	var above []*goredis.IntCmd
	_, err = r.store.Client().Pipelined(ctx, func(p goredis.Pipeliner) error {
		for level := priority; level <= lanes.MaxPriority; level++ {
			key, to := queuedKeyOf(lane, level), "+inf"
			if level == 0 {
				key = queuedKey(lane)
			}
			if level == priority {
				to = "(" + place
			}
			before = append(before, p.ZCount(ctx, key, "-inf", to))
			late = append(late, p.ZCount(ctx, key, "("+was, to))
			if priority == 0 && level > 0 { // the lane's index has them as well
				above = append(above, p.ZCount(ctx, key, "-inf", "("+place), p.ZCount(ctx, key, "("+was, "("+place))
			}
		}
		return nil
	})
	if err != nil {
		return Place{}, failed(doing, err)
	}
	a := Place{Own: ready <= millis(counted)}
	for i := range before {
		a.Newer += int(late[i].Val())
		a.Known += int(before[i].Val() - late[i].Val())
		if i > 0 {
			a.Higher += int(before[i].Val())
		}
	}
	for i := 0; i < len(above); i += 2 {
		a.Newer -= int(above[i+1].Val())
		a.Known -= int(above[i].Val() - above[i+1].Val())
	}
	return a, nil
}
