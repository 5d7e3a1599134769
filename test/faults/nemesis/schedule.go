package nemesis

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/site"
)

// kind is a way to break something.
type kind struct {
	about     string
	least     time.Duration // how long it lasts
	most      time.Duration
	targets   []string
	resources func(target string) []string // which no two faults have at a time
	// outage is what is away meanwhile for all, and a little longer than that; "" when only its target is faulted.
	outage string
	after  time.Duration
	inject func(*Nemesis, history.Fault) (undo func() error, err error)
}

// linkNames returns all links of processes and of the two producers: a plain AMQP producer has none to Redis, and only
// workers have one to S3.
func linkNames() (names []string) {
	for _, p := range slices.Concat(site.WorkerNames, site.ScalerNames, []string{"client", "raw"}) {
		names = append(names, p+"/amqp")
		if p != "raw" {
			names = append(names, p+"/redis")
		}
		if slices.Contains(site.WorkerNames, p) {
			names = append(names, p+"/s3")
		}
	}
	return names
}

// About says what a kind of fault breaks; false when there is no such kind.
func About(kind string) (text string, ok bool) {
	k, ok := kinds[kind]
	return k.about, ok
}

// KindNames lists the kinds of faults.
func KindNames() []string { return slices.Sorted(maps.Keys(kinds)) }

// faultGap is the mean time from one fault to the next. Most last longer, so several are there at a time.
const faultGap = 4500 * time.Millisecond

// Schedule returns the faults of a run, by the seed alone. Kinds come like cards from a shuffled deck, so that
// none is left out for long.
func Schedule(seed uint64, duration time.Duration, only []string) []history.Fault {
	r := rand.New(rand.NewPCG(seed, 2))
	names := KindNames()
	if len(only) > 0 {
		names = slices.Sorted(slices.Values(only))
	}
	var deck []string
	var list []history.Fault
	for at := 2 * time.Second; at < duration-time.Second; at += faultGap/3 +
		time.Duration(r.ExpFloat64()*float64(faultGap)*2/3) {
		if len(deck) == 0 {
			deck = slices.Clone(names)
			r.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		k := kinds[deck[0]]
		f := history.Fault{Number: len(list) + 1, Kind: deck[0], At: at, Lasts: k.least, Seed: r.Uint64()}
		deck = deck[1:]
		if len(k.targets) > 0 {
			f.Target = k.targets[r.IntN(len(k.targets))]
		}
		if k.most > k.least {
			f.Lasts += time.Duration(r.Int64N(int64(k.most - k.least)))
		}
		list = append(list, f)
	}
	return list
}
