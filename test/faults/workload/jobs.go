// Package workload is what the fleet has to do: which jobs come when (jobs.go, by the seed alone), what each must make
// (recipes.go), and who sends them until the broker has confirmed each (producers.go).
package workload

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/polyglot-media/siren/test/faults/history"
)

// laneLabels choose the lanes.
var laneLabels = map[string]map[string]string{
	"express":  {"urgent": "true"},
	"standard": nil,
	"bulk":     {"batch": "true"},
	"trial":    {"trial": "true"},
	"surge":    {"surge": "true"},
	"kept":     {"kept": "true"},
	"former":   {"former": "true"},
}

// How many jobs there are that wait until operators move them, in each of the two lanes.
const (
	Kept   = 12
	Former = 3
)

// isKept reports whether jobs of a lane wait for operators.
func isKept(lane string) bool { return lane == "kept" || lane == "former" }

const (
	poisonEvery = 40 * time.Second // from one poisonous job to the next
	surgeEvery  = 40 * time.Second // from one wave in lane surge to the next
	surgeJobs   = 20               // in one
)

// Schedule returns the jobs of a run, by the seed alone: so many a second, for as long as it lasts. All is with
// poisonous jobs, with waves in a lane whose pool is sized, and with those that operators keep.
func Schedule(seed uint64, duration time.Duration, rate float64, all bool, place Places) []history.Spec {
	r := rand.New(rand.NewPCG(seed, 1))
	heavy := recipeNames()
	light := slices.DeleteFunc(slices.Clone(heavy), func(n string) bool { return recipeOf(n).kind == "transcode" })
	var list []history.Spec
	add := func(s history.Spec, ext, shared string) {
		s.Job.ID = fmt.Sprintf("j%04d-%s", len(list), s.Lane)
		s.Job.Labels = laneLabels[s.Lane]
		name := s.Job.ID + ext
		if shared != "" {
			name = shared + ext
		}
		s.Job.Output = place.Output + name
		if s.Stored {
			s.Job.Output = place.Bucket + name
		}
		if s.Copies == 0 {
			s.Copies = 1
		}
		if s.Key == "" {
			s.Key = s.Lane
		}
		list = append(list, s)
	}
	nextPoison := poisonEvery / 4
	for at := time.Duration(0); at < duration; at += time.Duration(r.ExpFloat64() / rate * float64(time.Second)) {
		if all && at >= nextPoison {
			nextPoison += poisonEvery
			s := history.Spec{At: at, Lane: "trial", Fate: history.Poisonous, Recipe: longRecipe}
			recipeOf(longRecipe).fill(&s.Job, place)
			add(s, ".mp4", "")
			continue
		}
		s := history.Spec{At: at, Lane: []string{
			"express", "express", "express", "standard", "standard", "standard",
			"standard", "standard", "bulk", "bulk",
		}[r.IntN(10)], Fate: history.Succeeds}
		s.Raw, s.Stored = r.IntN(5) == 0, r.IntN(4) == 0
		recipes := heavy
		if s.Lane == "express" { // what somebody waits for
			recipes = light
		}
		s.Recipe = recipes[r.IntN(len(recipes))]
		made := recipeOf(s.Recipe)
		made.fill(&s.Job, place)
		switch p := r.IntN(100); {
		case p < 6:
			s.Fate, s.Recipe = history.BadInput, ""
			s.Job.Input = place.Input + badInputs[r.IntN(len(badInputs))].name
			add(s, made.ext(), "")
		case p < 11:
			shared := fmt.Sprintf("shared-%04d", len(list))
			s.Fate = history.Contested
			rival := s
			rival.Raw = r.IntN(5) == 0
			for rival.Recipe == s.Recipe || recipeOf(rival.Recipe).ext() != made.ext() {
				rival.Recipe = recipes[r.IntN(len(recipes))]
			}
			recipeOf(rival.Recipe).fill(&rival.Job, place)
			rival.At += time.Duration(r.IntN(1500)) * time.Millisecond
			add(s, made.ext(), shared)
			add(rival, made.ext(), shared)
		case p < 17:
			s.Copies = 2 + r.IntN(2)
			add(s, made.ext(), "")
		default:
			if s.Raw && s.Lane == "standard" && r.IntN(4) == 0 {
				s.Key = "nowhere" // the default lane has it then
			}
			add(s, made.ext(), "")
		}
	}
	if all {
		for _, s := range extra(r, duration, light, place) {
			add(s, recipeOf(s.Recipe).ext(), "")
		}
	}
	return list
}

// extra returns the jobs that operators keep, and the waves.
func extra(r *rand.Rand, duration time.Duration, light []string, place Places) (list []history.Spec) {
	one := func(lane string, at time.Duration) {
		s := history.Spec{At: at, Lane: lane, Fate: history.Succeeds, Recipe: light[r.IntN(len(light))]}
		recipeOf(s.Recipe).fill(&s.Job, place)
		list = append(list, s)
	}
	for range Kept {
		one("kept", 0)
	}
	for range Former {
		one("former", 0)
	}
	for at := surgeEvery / 4; at < duration; at += surgeEvery {
		for range surgeJobs {
			one("surge", at+time.Duration(r.Int64N(int64(surgeEvery/8))))
		}
	}
	return list
}

// Places are the URLs below which inputs and outputs lie.
type Places struct{ Input, Output, Bucket string }
