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

// Command is one that somebody typed.
type Command struct {
	At     time.Time
	Line   string
	Took   time.Duration
	Within time.Duration // how long it may take; 0: until it is told to stop
	Wrong  string        // how it ended as none may; "": it didn't
}
