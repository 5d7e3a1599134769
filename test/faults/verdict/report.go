package verdict

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/test/faults/history"
)

// Report is the outcome of a run.
type Report struct {
	RabbitMQ  string `json:"rabbitmq"`
	Redis     string `json:"redis"`
	FFmpeg    string `json:"ffmpeg"`
	Siren     string `json:"siren"`
	QueueType string `json:"queueType"`

	Seed     uint64  `json:"seed"`
	Duration float64 `json:"durationSeconds"`
	Drain    float64 `json:"drainSeconds"`

	Jobs      int            `json:"jobs"`
	Confirmed int            `json:"confirmed"`
	Uncertain int            `json:"uncertain"` // never confirmed
	Completed int            `json:"completed"`
	Dead      map[string]int `json:"dead"` // confirmed jobs by the reason of their first dead letter
	Faults    map[string]int `json:"faults"`
	Hunted    int            `json:"workersKilledForPoison"`
	RedisLost int            `json:"redisLostItsData"`

	Redelivered int `json:"redelivered"` // deliveries that somebody had before
	Starts      int `json:"starts"`
	// deliveries that came to nothing, since ledger or storage knew the job as done or dead
	Suppressed  int `json:"suppressed"`
	TwiceDead   int `json:"moreDeadLetters"`
	BehindInLed int `json:"recordsBehind"`
	Lost        int `json:"lost"`
	Doubled     int `json:"doubled"`

	Answers  int `json:"answers"` // of operators' commands
	AllZero  int `json:"answersOfNone"`
	Commands int `json:"commands"`         // that they typed
	Replayed int `json:"replayed"`         // dead jobs that they had run again
	Revived  int `json:"revived"`          // those of them that are completed
	MostSeen int `json:"mostSizedWorkers"` // at a time

	Waits   int            `json:"waits"`
	Told    map[string]int `json:"toldEnds"`      // waits by the end that they told
	Endless int            `json:"waitsEndless"`  // that never returned
	GaveUp  map[string]int `json:"waitsWithNone"` // by why they told no end

	Express    express     `json:"express"`
	Violations []violation `json:"violations"`
	Histories  []string    `json:"histories,omitempty"` // of the jobs that the violations are about
	Kept       string      `json:"kept,omitempty"`      // folder
}

// Of counts what there is in a history, and has it checked.
func Of(h history.History) Report {
	r := Report{
		Dead: map[string]int{}, Faults: map[string]int{}, Jobs: len(h.Jobs), RedisLost: len(h.Lost),
		Commands: len(h.Commands), Replayed: len(h.Replayed), Violations: check(h),
	}
	for _, j := range h.Jobs {
		if j.Confirms == 0 {
			r.Uncertain++
			continue
		}
		r.Confirmed++
		letters := h.Letters[j.Job.ID]
		switch o, ok := h.Outputs[j.OutputName()]; {
		case ok && slices.Contains(o.Owners, j.Job.ID):
			r.Completed++
			if h.Replayed[j.Job.ID] {
				r.Revived++
			}
		case len(letters) > 0:
			r.Dead[letters[0].Reason]++
		}
		r.TwiceDead += max(0, len(letters)-1)
		if rec, ok := h.Records[j.Job.ID]; ok && (rec.State == job.Dead) != (len(letters) > 0) || ok &&
			(!rec.State.Final() || rec.State == job.Missing) {
			r.BehindInLed++
		}
	}
	for _, w := range h.Windows {
		if w.Kind == "poison" {
			r.Hunted++
		} else {
			r.Faults[w.Kind]++
		}
	}
	for _, list := range h.Events {
		for _, e := range list {
			switch {
			case e.What == "taken" && e.Again:
				r.Redelivered++
			case e.What == "started":
				r.Starts++
			case e.What == "completed" && e.Already,
				e.What == "not run" && (e.Claim == string(work.Settled) || e.Claim == string(work.Buried)):
				r.Suppressed++
			}
		}
	}
	r.countWaits(h.Waits)
	for _, a := range h.Answers {
		r.Answers++
		if a.Said == 0 {
			r.AllZero++
		}
	}
	for _, n := range h.Staff {
		r.MostSeen = max(r.MostSeen, n.Workers)
	}
	r.Express = measureExpress(h)
	if broken := r.Express.promises(); broken != "" {
		r.Violations = append(r.Violations, violation{
			isWrong, "",
			fmt.Sprintf("%s: %s", broken, r.Express),
		})
	}
	told := map[string]bool{}
	for _, v := range r.Violations {
		switch v.Sort {
		case isLost:
			r.Lost++
		case isDoubled:
			r.Doubled++
		}
		if v.Job != "" && !told[v.Job] && len(told) < 10 {
			told[v.Job] = true
			r.Histories = append(r.Histories, tell(h, v.Job))
		}
	}
	return r
}

// countWaits counts what those were told who waited for jobs.
func (r *Report) countWaits(all []history.Wait) {
	r.Waits, r.Told, r.GaveUp = len(all), map[string]int{}, map[string]int{}
	for _, w := range all {
		switch {
		case w.Over.IsZero():
			r.Endless++
		case w.End == "":
			r.GaveUp[string(w.Gave)]++
		default:
			r.Told[string(w.End)]++
		}
	}
}

// tell returns all that is known of one job, in the order of time.
func tell(h history.History, id string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s", id)
	for _, j := range h.Jobs {
		if j.Job.ID != id {
			continue
		}
		fmt.Fprintf(&b, ": %s in lane %s, %s, recipe %q, sent %d times (raw: %t) from %s, confirmed %d times, first "+
			"%s; last trouble: %s\n",
			j.Job.Kind, j.Lane, j.Fate, j.Recipe, j.Tries, j.Raw, when(j.Asked), j.Confirms, when(j.Confirmed),
			j.LastError)
		fmt.Fprintf(&b, "output: %+v, seen %+v\n", h.Outputs[j.OutputName()], h.Seen[j.OutputName()])
	}
	if r, ok := h.Records[id]; ok {
		text, _ := json.Marshal(r)
		fmt.Fprintf(&b, "record: %s\n", text)
	}
	for _, l := range h.Letters[id] {
		fmt.Fprintf(&b, "dead letter: %s: %s (message %d)\n", l.Reason, l.Text, l.Copy)
	}
	if h.Replayed[id] {
		fmt.Fprintln(&b, "operators had it run again")
	}
	for _, w := range h.Waits {
		if w.Job == id {
			fmt.Fprintf(&b, "%s from %s to %s: %s %s %s\n", w.How, when(w.At), when(w.Over), w.End, w.Gave, w.Said)
		}
	}
	for _, e := range h.Events[id] {
		fmt.Fprintf(&b, "%s %s\n", e.Worker, e.Line)
		for _, w := range h.Windows {
			if slices.Contains(w.Lives, e.Worker) && w.From.Before(e.At) && w.To.After(e.At) {
				fmt.Fprintf(&b, "    (during %s, %s to %s)\n", w.Fault, when(w.From), when(w.To))
			}
		}
	}
	return b.String()
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(history.Clock)
}

// Print writes the report.
func (r Report) Print(to io.Writer, how string) error {
	if how == "json" {
		e := json.NewEncoder(to)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	line("RabbitMQ", "%s, %s queues", r.RabbitMQ, r.QueueType)
	line("Redis", "%s", r.Redis)
	line("ffmpeg", "%s", r.FFmpeg)
	line("Siren", "%s", r.Siren)
	line("seed", "%d", r.Seed)
	line("duration", "%.0f s, and %.0f s until all was worked off", r.Duration, r.Drain)
	line("jobs", "%d; confirmed %d, never confirmed %d", r.Jobs, r.Confirmed, r.Uncertain)
	line("completed", "%d", r.Completed)
	line("dead", "%s", counts(r.Dead))
	line("faults", "%d: %s", r.Struck(), counts(r.Faults))
	line("", "%d workers killed for the poisonous job that they ran; Redis lost its data %d times", r.Hunted,
		r.RedisLost)
	line("starts", "%d; %d deliveries came once more", r.Starts, r.Redelivered)
	line("duplicates suppressed", "%d", r.Suppressed)
	line("more than one dead letter", "%d", r.TwiceDead)
	line("records behind", "%d (the ledger was away when it was to be told)", r.BehindInLed)
	line("operators", "%d commands; %d answers, %d of them 0", r.Commands, r.Answers, r.AllZero)
	line("run again", "%d dead jobs; %d of them are completed", r.Replayed, r.Revived)
	line("waits", "%d; told the end: %s; told none: %s; never returned: %d", r.Waits, counts(r.Told), counts(r.GaveUp),
		r.Endless)
	line("sized workers", "at most %d at a time", r.MostSeen)
	line("express", "%s", r.Express)
	line("lost", "%d", r.Lost)
	line("doubled", "%d", r.Doubled)
	line("violations", "%d", len(r.Violations))
	if err := w.Flush(); err != nil {
		return err
	}
	for _, late := range r.Express.Late {
		fmt.Fprintln(to, "late:", late)
	}
	for _, v := range r.Violations {
		fmt.Fprintln(to, v)
	}
	for _, h := range r.Histories {
		fmt.Fprintln(to, h)
	}
	if r.Kept != "" {
		fmt.Fprintln(to, "everything is kept in", r.Kept)
	}
	return nil
}

// Struck returns how many faults there were.
func (r Report) Struck() (n int) {
	for _, v := range r.Faults {
		n += v
	}
	return n
}

func counts(m map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %s", m[k], k))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
