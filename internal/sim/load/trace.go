package load

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/sim"
	"github.com/polyglot-media/siren/lanes"
)

// Trace is jobs that are read from a CSV as they are needed. Its first line names the columns, in any order:
//
//	time     when the job was ready: an RFC 3339 time, or seconds since the beginning; in order
//	service  how many seconds it runs
//	lane     its lane; or
//	labels   its labels, which choose the lane: urgent=true;tier=premium
//	parts    into how many it is split; may be missing
//	kind     its kind, of which there may be sim.MostKinds; others have none; may be missing
//
// Other columns are passed over, and so are lines that begin with #. Those above the first line may say
// something of the fleet that the jobs came to, as siren record writes it: see ColdStart.
type Trace struct {
	// Cold is how long workers took to start where the trace was recorded; 0: it doesn't say.
	Cold       time.Duration
	above      int // lines above the first
	csv        *csv.Reader
	policy     *lanes.Policy
	classifier *lanes.Classifier
	columns    map[string]int
	line       int
	began      time.Time // of the first job, when the times are dates
	last       time.Duration
	err        error
	places     map[string]int
	kinds      map[string]int // their numbers
}

// ColdStart is what begins the comment that says how long workers took to start: # cold-start: 2.4s.
const ColdStart = "cold-start"

// NewTrace reads a trace's first line, and what is above it.
func NewTrace(r io.Reader, p *lanes.Policy) (*Trace, error) {
	c, err := lanes.NewClassifier(p)
	if err != nil {
		return nil, err
	}
	t := &Trace{
		policy: p, classifier: c, columns: map[string]int{}, places: map[string]int{},
		kinds: map[string]int{},
	}
	text := bufio.NewReader(r)
	if err := t.comments(text); err != nil {
		return nil, err
	}
	t.csv = csv.NewReader(text)
	t.csv.ReuseRecord, t.csv.TrimLeadingSpace, t.csv.Comment = true, true, '#'
	head, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the trace is empty: its first line must name the columns time, service, and lane or " +
			"labels")
	}
	if err != nil {
		return nil, t.said(err)
	}
	for i, name := range head {
		t.columns[strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))] = i
	}
	for i, l := range p.Lanes {
		t.places[l.Name] = i
	}
	for _, wanted := range [][]string{{"time"}, {"service"}, {"lane", "labels"}} {
		if !slices.ContainsFunc(wanted, t.has) {
			return nil, fmt.Errorf("line %d of the trace names no column %s: it must name time, service, and lane or "+
				"labels, as in time,lane,service", t.above+1, strings.Join(wanted, " or "))
		}
	}
	return t, nil
}

// comments reads the comments above the first line.
func (t *Trace) comments(r *bufio.Reader) error {
	for {
		next, err := r.Peek(1)
		if err != nil || next[0] != '#' {
			return nil // what is wrong is found once more
		}
		line, _ := r.ReadString('\n')
		t.above++
		name, value, _ := strings.Cut(strings.TrimLeft(line, "# "), ":")
		if strings.TrimSpace(name) != ColdStart {
			continue
		}
		value = strings.TrimSpace(value)
		if t.Cold, err = time.ParseDuration(value); err != nil || t.Cold <= 0 {
			return fmt.Errorf("line %d of the trace: %q is no time that a worker takes to start: write it as %s: 2.4s",
				t.above, value, ColdStart)
		}
	}
}

func (t *Trace) has(column string) bool {
	_, ok := t.columns[column]
	return ok
}

// Err returns what was wrong with the trace, so that it ended early; nil when nothing was.
func (t *Trace) Err() error { return t.err }

// Began returns the date of its first job, as far as it is read; zero when its times are none.
func (t *Trace) Began() time.Time { return t.began }

// Next implements sim.Source.
func (t *Trace) Next() (sim.Job, bool) {
	if t.err != nil {
		return sim.Job{}, false
	}
	row, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		return sim.Job{}, false
	}
	if e := (*csv.ParseError)(nil); errors.As(err, &e) && errors.Is(err, csv.ErrFieldCount) {
		e.Err = fmt.Errorf("wrong number of fields: %d, and the first line has %d", len(row), t.csv.FieldsPerRecord)
	}
	if err != nil {
		t.err = t.said(err)
		return sim.Job{}, false
	}
	t.line, _ = t.csv.FieldPos(0)
	t.line += t.above
	job, err := t.job(row)
	if err != nil {
		t.err = fmt.Errorf("line %d of the trace: %w", t.line, err)
		return sim.Job{}, false
	}
	t.last = job.At
	return job, true
}

// said is what the CSV's reader says, in other words.
func (t *Trace) said(err error) error {
	if e := (*csv.ParseError)(nil); errors.As(err, &e) {
		return fmt.Errorf("line %d of the trace: %w", t.above+e.Line, e.Err)
	}
	return fmt.Errorf("read the trace: %w", err)
}

func (t *Trace) job(row []string) (j sim.Job, err error) {
	if j.At, err = t.time(row[t.columns["time"]]); err != nil {
		return j, err
	}
	if j.At < t.last {
		return j, fmt.Errorf("its time is before that of the line above: sort the trace by time")
	}
	text := strings.TrimSpace(row[t.columns["service"]])
	if j.Service, err = seconds(text); err != nil || j.Service <= 0 {
		return j, fmt.Errorf("%q is no service time: write the seconds that the job runs, as 12.5", text)
	}
	if j.Lane, err = t.lane(row); err != nil {
		return j, err
	}
	if i, ok := t.columns["parts"]; ok && row[i] != "" {
		if j.Parts, err = strconv.Atoi(row[i]); err != nil || j.Parts < 0 || j.Parts > 10000 {
			return j, fmt.Errorf("%q are no parts: write a whole number up to 10000", row[i])
		}
	}
	if i, ok := t.columns["kind"]; ok {
		j.Kind = t.kind(row[i])
	}
	return j, nil
}

// kind returns a kind's number; 0 for none, and for one too many.
func (t *Trace) kind(name string) int {
	n, known := t.kinds[name]
	if name == "" || !known && len(t.kinds) == sim.MostKinds {
		return 0
	}
	if !known {
		n = len(t.kinds) + 1
		t.kinds[strings.Clone(name)] = n // the row is used again
	}
	return n
}

// time reads seconds, or a date: since the first one.
func (t *Trace) time(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if d, err := seconds(text); err == nil && d >= 0 {
		return d, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999"} {
		if at, err := time.Parse(layout, text); err == nil {
			if t.began.IsZero() {
				t.began = at
			}
			return at.Sub(t.began), nil
		}
	}
	return 0, fmt.Errorf("%q is no time: write seconds since the beginning, as 12.5, or 2026-01-31T12:00:00Z", text)
}

func seconds(text string) (time.Duration, error) {
	s, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, err
	}
	if math.IsNaN(s) || math.Abs(s) > 1e9 {
		return 0, strconv.ErrRange
	}
	return time.Duration(math.Round(s * float64(time.Second))), nil
}

func (t *Trace) lane(row []string) (int, error) {
	if i, ok := t.columns["lane"]; ok {
		if place, there := t.places[row[i]]; there {
			return place, nil
		}
		return 0, fmt.Errorf("the policy has no lane %q: it has %s", row[i], strings.Join(t.policy.LaneNames(), ", "))
	}
	labels := map[string]string{}
	apart := func(r rune) bool { return r == ';' || r == ' ' }
	for _, pair := range strings.FieldsFunc(row[t.columns["labels"]], apart) {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return 0, fmt.Errorf("%q is no label: write labels as urgent=true;tier=premium", pair)
		}
		labels[key] = value
	}
	return t.places[t.classifier.Lane(labels)], nil
}
