package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// fate is what must become of a job.
type fate string

const (
	succeeds  fate = "succeeds"  // one visible, correct output
	badInput  fate = "bad input" // dead as that
	contested fate = "contested" // has its output with another job: one succeeds, the other is dead as "output exists"
	poisonous fate = "poisonous" // its workers are killed until it is dead as poison
)

// spec is one job as the schedule has it.
type spec struct {
	at     time.Duration // from the start: when it is enqueued
	job    job.Job
	lane   string
	recipe string // what its output must be; "" for a bad input
	fate   fate
	raw    bool   // sent by plain AMQP, without a record and without Siren's headers
	key    string // of a raw job: the routing key, which may be one that nobody knows
	copies int    // how often it is enqueued, under its one id
	stored bool   // its output goes to S3
}

// laneLabels choose the lanes.
var laneLabels = map[string]map[string]string{
	"express":  {"urgent": "true"},
	"standard": nil,
	"bulk":     {"batch": "true"},
	"trial":    {"trial": "true"},
}

// poisonEvery is how far apart poisonous jobs come.
const poisonEvery = 40 * time.Second

// jobSchedule returns the jobs of a run, by the seed alone: so many a second, for as long as it lasts.
func jobSchedule(seed uint64, duration time.Duration, rate float64, poison bool, place places) []spec {
	r := rand.New(rand.NewPCG(seed, 1))
	all := recipeNames()
	light := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return recipeOf(n).kind == "transcode" })
	var list []spec
	add := func(s spec, ext, shared string) {
		s.job.ID = fmt.Sprintf("j%04d-%s", len(list), s.lane)
		s.job.Labels = laneLabels[s.lane]
		name := s.job.ID + ext
		if shared != "" {
			name = shared + ext
		}
		s.job.Output = place.output + name
		if s.stored {
			s.job.Output = place.bucket + name
		}
		if s.copies == 0 {
			s.copies = 1
		}
		if s.key == "" {
			s.key = s.lane
		}
		list = append(list, s)
	}
	nextPoison := poisonEvery / 4
	for at := time.Duration(0); at < duration; at += time.Duration(r.ExpFloat64() / rate * float64(time.Second)) {
		if poison && at >= nextPoison {
			nextPoison += poisonEvery
			s := spec{at: at, lane: "trial", fate: poisonous, recipe: longRecipe}
			recipeOf(longRecipe).fill(&s.job, place)
			add(s, ".mp4", "")
			continue
		}
		s := spec{at: at, lane: []string{
			"express", "express", "express", "standard", "standard", "standard",
			"standard", "standard", "bulk", "bulk",
		}[r.IntN(10)], fate: succeeds}
		s.raw, s.stored = r.IntN(5) == 0, r.IntN(4) == 0
		recipes := all
		if s.lane == "express" { // what somebody waits for
			recipes = light
		}
		s.recipe = recipes[r.IntN(len(recipes))]
		made := recipeOf(s.recipe)
		made.fill(&s.job, place)
		switch p := r.IntN(100); {
		case p < 6:
			s.fate, s.recipe = badInput, ""
			s.job.Input = place.input + badInputs[r.IntN(len(badInputs))].name
			add(s, made.ext(), "")
		case p < 11:
			shared := fmt.Sprintf("shared-%04d", len(list))
			s.fate = contested
			rival := s
			rival.raw = r.IntN(5) == 0
			for rival.recipe == s.recipe || recipeOf(rival.recipe).ext() != made.ext() {
				rival.recipe = recipes[r.IntN(len(recipes))]
			}
			recipeOf(rival.recipe).fill(&rival.job, place)
			rival.at += time.Duration(r.IntN(1500)) * time.Millisecond
			add(s, made.ext(), shared)
			add(rival, made.ext(), shared)
		case p < 17:
			s.copies = 2 + r.IntN(2)
			add(s, made.ext(), "")
		default:
			if s.raw && s.lane == "standard" && r.IntN(4) == 0 {
				s.key = "nowhere" // the default lane has it then
			}
			add(s, made.ext(), "")
		}
	}
	return list
}

// places are the URLs below which inputs and outputs lie.
type places struct{ input, output, bucket string }
