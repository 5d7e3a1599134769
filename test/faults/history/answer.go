package history

import "time"

// Answer is what a command said of something that the one who asked knew.
type Answer struct {
	At    time.Time
	Verb  string // siren lanes, siren lanes move, …
	About string // kept: the lane, or what else
	Said  int    // how many it said
	Known int    // how many there were at least, from when it was asked until it answered
}

// Headcount is how many workers a pool that is sized had at a moment.
type Headcount struct {
	At      time.Time
	Workers int
}
