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
}

// poisonEvery is how far apart poisonous jobs come.
const poisonEvery = 40 * time.Second

// Schedule returns the jobs of a run, by the seed alone: so many a second, for as long as it lasts.
func Schedule(seed uint64, duration time.Duration, rate float64, poison bool, place Places) []history.Spec {
	r := rand.New(rand.NewPCG(seed, 1))
	all := recipeNames()
	light := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return recipeOf(n).kind == "transcode" })
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
		if poison && at >= nextPoison {
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
		recipes := all
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
	return list
}

// Places are the URLs below which inputs and outputs lie.
type Places struct{ Input, Output, Bucket string }
