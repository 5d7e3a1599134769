package law

import (
	"math"
	"testing"
	"time"
)

// In these cases, unless they say otherwise, T = 30 s and D = 10 s, so τ = 14 s; S = 2.8 s: a slot starts 5 jobs in
// that time.
func TestNeedOf(t *testing.T) {
	const sec, between = time.Second, 5600 * time.Millisecond
	tests := []struct {
		name    string
		in      LaneInput
		want    Need
		waiting bool
	}{
		{name: "nothing waits, nothing runs", in: LaneInput{Ready: 4, Idle: 4}, want: Need{InTime: 20, TooLate: -20}},
		{
			name: "what runs is what is needed", in: LaneInput{Ready: 4, Idle: 1, Busy: 3},
			want: Need{Slots: 3, InTime: 20, TooLate: -20},
		},
		{
			name: "idle slots take what waits", in: LaneInput{Backlog: 3, Ready: 6, Idle: 4, Busy: 2},
			want: Need{Slots: 2, InTime: 30, TooLate: -30},
		},
		{
			name: "free shoulder slots do too", in: LaneInput{Backlog: 3, Ready: 2, Idle: 1, Shoulder: 2, Busy: 1},
			want: Need{Slots: 1, InTime: 10, TooLate: -10},
		},
		{
			name: "the slots that are there start them in time", in: LaneInput{Backlog: 10, Ready: 2, Busy: 2},
			want: Need{Slots: 2, Short: 10, InTime: 10, TooLate: 0},
		},
		{
			name: "the rest takes new slots", in: LaneInput{Backlog: 140, Ready: 2, Busy: 2}, waiting: true,
			want: Need{Slots: 2 + 130.0/5, Short: 140, InTime: 10, TooLate: 130},
		},
		{
			name: "slots with other lanes' jobs start nothing", in: LaneInput{Backlog: 10, Ready: 4, Others: 4},
			waiting: true,
			want:    Need{Slots: 2, Short: 10, InTime: 0, TooLate: 10},
		},
		{
			name: "nor are they counted as this lane's", in: LaneInput{Backlog: 20, Ready: 4, Others: 3, Busy: 1},
			waiting: true,
			want:    Need{Slots: 1 + 15.0/5, Short: 20, InTime: 5, TooLate: 15},
		},
		{
			name: "never more slots than jobs", in: LaneInput{Backlog: 3, Ready: 4, Others: 4, Service: 60 * sec},
			waiting: true,
			want:    Need{Slots: 3, Short: 3, InTime: 0, TooLate: 3},
		},
		{
			name: "one slot for one job", in: LaneInput{Backlog: 1}, waiting: true,
			want: Need{Slots: 1, Short: 1, TooLate: 1},
		},
		{
			name: "at least one while a job waits, though a free slot is about to take it",
			in:   LaneInput{Backlog: 1, Ready: 2, Idle: 2},
			want: Need{Slots: 1, InTime: 10, TooLate: -10},
		},
		{
			name: "a job longer than τ takes a slot of its own",
			in:   LaneInput{Backlog: 6, Ready: 2, Busy: 2, Service: 40 * sec}, waiting: true,
			want: Need{Slots: 2 + 5.3, Short: 6, InTime: 0.7, TooLate: 5.3},
		},
		{
			name: "an objective no longer than a cold start has a tenth of itself",
			in:   LaneInput{Backlog: 6, Ready: 2, Busy: 2, StartWithin: 10 * sec, Service: 2 * sec}, waiting: true,
			want: Need{Slots: 2 + 5, Short: 6, InTime: 1, TooLate: 5},
		},
		{
			name:    "and one far shorter too",
			in:      LaneInput{Backlog: 6, Ready: 2, Busy: 2, StartWithin: sec, Service: 2 * sec},
			waiting: true,
			want:    Need{Slots: 2 + 5.9, Short: 6, InTime: 0.1, TooLate: 5.9},
		},
		{
			name:    "short jobs that start within the tenth are worth no new slot, and no guest takes what is there",
			waiting: true,
			in:      LaneInput{Backlog: 60, Ready: 2, Busy: 2, ColdStart: 60 * sec, Service: 100 * time.Millisecond},
			want:    Need{Slots: 2, Short: 60, InTime: 60, TooLate: 0},
		},
		{
			name: "the rest of them is divided by what a new slot starts within the tenth", waiting: true,
			in:   LaneInput{Backlog: 120, Ready: 2, Busy: 2, ColdStart: 60 * sec, Service: 100 * time.Millisecond},
			want: Need{Slots: 2 + 60.0/30, Short: 120, InTime: 60, TooLate: 60},
		},
		{
			name: "parked idle slots come back for them all the same", waiting: true,
			in: LaneInput{
				Backlog: 60, Ready: 2, Busy: 2, Parked: 1, ColdStart: 60 * sec,
				Service: 100 * time.Millisecond,
			},
			want: Need{Slots: 3, Unpark: 1, Short: 60, InTime: 60, TooLate: -1},
		},
		{
			name: "a tenth is nothing beside what a long objective relies on",
			in:   LaneInput{Backlog: 400, Ready: 2, Busy: 2, StartWithin: 30 * time.Minute},
			want: Need{Slots: 2, Short: 400, InTime: 895, TooLate: -495},
		},
		{
			// Taken from the wait alone, the need would be what is busy: and nobody would ever be unparked.
			name: "parked idle slots come first and add to the need",
			in:   LaneInput{Backlog: 3, Ready: 2, Busy: 2, Parked: 5}, waiting: true,
			want: Need{Slots: 5, Unpark: 3, Short: 3, InTime: 10, TooLate: -10},
		},
		{
			name: "then new ones", in: LaneInput{Backlog: 30, Ready: 2, Busy: 2, Parked: 5}, waiting: true,
			want: Need{Slots: 2 + 5 + 15.0/5, Unpark: 5, Short: 30, InTime: 10, TooLate: 15},
		},
		{
			name: "jobs on parked workers keep their slots beside the ready ones",
			in:   LaneInput{Backlog: 30, Ready: 2, Busy: 5, BusyParked: 3}, waiting: true,
			want: Need{Slots: 2 + 3 + 20.0/5, Short: 30, InTime: 10, TooLate: 20},
		},
		{
			name: "and are busy when nothing waits", in: LaneInput{Ready: 2, Busy: 5, BusyParked: 3},
			want: Need{Slots: 5, InTime: 10, TooLate: -10},
		},
		{
			name: "the need is never below what is busy", in: LaneInput{Backlog: 11, Ready: 2, Busy: 9, BusyParked: 0},
			waiting: true,
			want:    Need{Slots: 9, Short: 11, InTime: 10, TooLate: 1},
		},
		{
			// Seven jobs of 20 s where S is 5.6 s: nobody is free, and what S says would keep it so.
			name: "a job that has waited for as long as it may needs a slot, whatever S says", waiting: true,
			in: LaneInput{
				Backlog: 1, Ready: 7, Busy: 7, StartWithin: 10 * sec, ColdStart: 2 * sec, Service: between,
				Oldest: 8 * sec,
			},
			want: Need{Slots: 7 + 1/1.0, Short: 1, InTime: 7, TooLate: 1},
		},
		{
			name: "and not a moment before",
			in: LaneInput{
				Backlog: 1, Ready: 7, Busy: 7, StartWithin: 10 * sec, ColdStart: 2 * sec, Service: between,
				Oldest: 8*sec - 1,
			},
			want: Need{Slots: 7, Short: 1, InTime: 7, TooLate: -6},
		},
		{
			name: "and so do all behind it, also where some were too late anyway", waiting: true,
			in: LaneInput{
				Backlog: 9, Ready: 7, Busy: 7, StartWithin: 10 * sec, ColdStart: 2 * sec, Service: between,
				Oldest: 8 * sec,
			},
			want: Need{Slots: 7 + 9, Short: 9, InTime: 7, TooLate: 9},
		},
		{
			name: "half of the objective, where workers take longer to start", waiting: true,
			in: LaneInput{
				Backlog: 1, Ready: 40, Busy: 40, StartWithin: 10 * sec, ColdStart: 9 * sec, Service: 5 * sec,
				Oldest: 5 * sec,
			},
			want: Need{Slots: 41, Short: 1, InTime: 8, TooLate: 1},
		},
		{
			name: "what a free slot takes at once isn't overdue",
			in: LaneInput{
				Backlog: 1, Ready: 7, Busy: 6, Idle: 1, StartWithin: 10 * sec, ColdStart: 2 * sec, Service: between,
				Oldest: 9 * sec,
			},
			want: Need{Slots: 6, InTime: 7, TooLate: -7},
		},
		{
			// 1 job a second more: in the 10 s that a worker takes, and in the 10 s that this is old.
			name: "what will have come until a worker is up counts too", waiting: true,
			in:   LaneInput{Backlog: 8, Ready: 2, Busy: 2, Growth: 1},
			want: Need{Slots: 2 + 18.0/5, Short: 8, InTime: 10, TooLate: 8 + 20 - 10},
		},
		{
			name: "not as long as free slots take what comes",
			in:   LaneInput{Backlog: 2, Ready: 4, Idle: 2, Busy: 2, Growth: 1},
			want: Need{Slots: 2, InTime: 20, TooLate: -20},
		},
		{
			name: "never more slots than jobs are there", waiting: true,
			in:   LaneInput{Backlog: 8, Ready: 2, Busy: 2, Growth: 100},
			want: Need{Slots: 2 + 8, Short: 8, InTime: 10, TooLate: 8 + 2000 - 10},
		},
		{
			name: "a backlog that shrinks is no better than one that stays",
			in:   LaneInput{Backlog: 8, Ready: 2, Busy: 2, Growth: -5},
			want: Need{Slots: 2, Short: 8, InTime: 10, TooLate: -2},
		},
		{
			name: "where a worker comes too late, nothing is foreseen", waiting: true,
			in: LaneInput{
				Backlog: 60, Ready: 2, Busy: 2, ColdStart: 60 * sec, Service: 100 * time.Millisecond, Growth: 9,
			},
			want: Need{Slots: 2, Short: 60, InTime: 60, TooLate: 0},
		},
		{
			name: "a service time of nothing doesn't divide by zero",
			in:   LaneInput{Backlog: 10, Others: 1, Ready: 1, Service: -1}, waiting: true,
			want: Need{Slots: 1, Short: 10, InTime: 0, TooLate: 10},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := tt.in
			switch in.Service {
			case 0:
				in.Service = 2800 * time.Millisecond
			case -1:
				in.Service = 0
			}
			if in.StartWithin == 0 {
				in.StartWithin = 30 * sec
			}
			if in.ColdStart == 0 {
				in.ColdStart = 10 * sec
			}
			got := NeedOf(in)
			if math.Abs(got.Slots-tt.want.Slots) > 1e-9 || math.Abs(got.TooLate-tt.want.TooLate) > 1e-9 ||
				math.Abs(got.InTime-tt.want.InTime) > 1e-9 ||
				got.Unpark != tt.want.Unpark || got.Short != tt.want.Short {
				t.Errorf("NeedOf = %+v\nwant    %+v", got, tt.want)
			}
			if got.Overdue && !got.Waiting {
				t.Error("overdue, and it doesn't wait")
			}
			if got.Waiting != tt.waiting {
				t.Errorf("Waiting = %v", got.Waiting)
			}
		})
	}
}

func TestHold(t *testing.T) {
	tests := []struct {
		name               string
		policy, cold, want time.Duration
	}{
		{"three cold starts", 0, 10 * time.Second, 30 * time.Second},
		{"at least 5 s", 0, 100 * time.Millisecond, 5 * time.Second},
		{"at most 300 s", 0, 10 * time.Minute, 300 * time.Second},
		{"the policy's word", 2 * time.Second, 10 * time.Second, 2 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := hold(tt.policy, tt.cold); got != tt.want {
				t.Errorf("hold = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestPeakSpan(t *testing.T) {
	for cold, want := range map[time.Duration]time.Duration{
		10 * time.Second: 40 * time.Second, time.Minute: 150 * time.Second,
	} {
		if got := peakSpan(cold); got != want {
			t.Errorf("cold start %s: %s, not %s", cold, got, want)
		}
	}
}

func TestWorkersFor(t *testing.T) {
	tests := []struct {
		name  string
		need  float64
		slots int
		want  int
	}{
		{"none", 0, 2, 0},
		{"part of one", 0.2, 2, 1},
		{"exactly", 4, 2, 2},
		{"one more", 4.1, 2, 3},
		{"a rounding error is no worker", 3.0000000001, 1, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := workersFor(tt.need, tt.slots); got != tt.want {
				t.Errorf("workersFor(%g, %d) = %d, want %d", tt.need, tt.slots, got, tt.want)
			}
		})
	}
}

func TestRetireEvery(t *testing.T) {
	const sec, between = time.Second, 5600 * time.Millisecond
	for cold, want := range map[time.Duration]time.Duration{
		0: 2 * sec, sec: 2 * sec, 5 * sec: 5 * sec, 10 * sec: 10 * sec, 60 * sec: 10 * sec,
	} {
		if got := retireEvery(cold); got != want {
			t.Errorf("a cold start of %s: retires every %s, want %s", cold, got, want)
		}
	}
}
