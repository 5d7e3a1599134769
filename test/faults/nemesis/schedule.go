package nemesis

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/polyglot-media/siren/test/faults/history"
	"github.com/polyglot-media/siren/test/faults/site"
)

// kind is a way to break something.
type kind struct {
	about     string
	on        setting       // where there is such a fault
	least     time.Duration // how long it lasts
	most      time.Duration
	targets   []string
	resources func(target string) []string // which no two faults have at a time
	// outage is what is away meanwhile for all, and a little longer than that; "" when only its target is faulted.
	outage string
	after  time.Duration
	inject func(*Nemesis, history.Fault) (undo func() error, err error)
}

// setting is what RabbitMQ and Redis are like.
type setting int

const (
	everywhere setting = iota
	alone              // one each
	clustered          // several nodes
)

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

// About says what a kind of fault breaks.
func About(kind string) string { return kinds[kind].about }

// KindNames lists the kinds of faults, of one RabbitMQ and one Redis or of several nodes.
func KindNames(several bool) (names []string) {
	for name, k := range kinds {
		if k.on == everywhere || (k.on == clustered) == several {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// kinds is every way to break something.
var kinds = func() map[string]kind {
	all := maps.Clone(commonKinds)
	maps.Copy(all, clusterKinds)
	return all
}()

// targetsOf returns what a kind can break. Connections to a Redis with Sentinels pass no link.
func targetsOf(k kind, several bool) []string {
	return slices.DeleteFunc(slices.Clone(k.targets), func(t string) bool {
		return several && strings.HasSuffix(t, "/redis")
	})
}

// faultGap is the mean time from one fault to the next. Most last longer, so several are there at a time.
const faultGap = 4500 * time.Millisecond

// Schedule returns the faults of a run, by the seed alone. Kinds come like cards from a shuffled deck, so that
// none is left out for long.
func Schedule(seed uint64, duration time.Duration, several bool, only []string) []history.Fault {
	r := rand.New(rand.NewPCG(seed, 2))
	names := KindNames(several)
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
		if targets := targetsOf(k, several); len(targets) > 0 {
			f.Target = targets[r.IntN(len(targets))]
		}
		if k.most > k.least {
			f.Lasts += time.Duration(r.Int64N(int64(k.most - k.least)))
		}
		list = append(list, f)
	}
	return list
}
