package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/polyglot-media/siren/internal/rabbit/confirms"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// now is later than every time that fill sets.
var now = time.UnixMilli(1_800_000_000_000).UTC()

// fill sets every field of a struct to something of its own, so that one which is forgotten on the way is missed.
func fill(t *testing.T, s reflect.Value) {
	t.Helper()
	for i := range s.NumField() {
		f := s.Field(i)
		switch v := f.Addr().Interface().(type) {
		case *time.Time:
			*v = time.UnixMilli(1_700_000_000_000).Add(time.Duration(i) * time.Hour).UTC()
		case *json.RawMessage:
			*v = json.RawMessage(`{"width":1}`)
		case *[]byte:
			*v = []byte(s.Type().Field(i).Name)
		case *[]string:
			*v = []string{s.Type().Field(i).Name}
		case *map[string]string:
			*v = map[string]string{"field": s.Type().Field(i).Name}
		case *error:
			*v = errors.New(s.Type().Field(i).Name)
		case *lanes.Duration:
			*v = lanes.Duration(time.Duration(2+i) * time.Minute)
		default:
			switch f.Kind() {
			case reflect.String:
				f.SetString(s.Type().Field(i).Name)
			case reflect.Int:
				f.SetInt(int64(2 + i))
			case reflect.Bool:
				f.SetBool(true)
			case reflect.Struct:
				fill(t, f)
			case reflect.Interface:
				f.Set(reflect.ValueOf(s.Type().Field(i).Name))
			default:
				t.Fatalf("%s.%s: fill knows no %s", s.Type(), s.Type().Field(i).Name, f.Type())
			}
		}
	}
}

// filledDelivery returns a delivery with all fields set, the job's too.
func filledDelivery(t *testing.T) work.Delivery {
	t.Helper()
	var d work.Delivery
	fill(t, reflect.ValueOf(&d).Elem())
	d.Job.Version, d.Job.Priority = job.WireVersion, 1
	var err error
	if d.Body, err = job.Encode(d.Job); err != nil {
		t.Fatal(err)
	}
	d.Job.Priority = 3 // the message's counts, not the body's
	return d
}

// delivered returns a message as the broker hands it over.
func delivered(m confirms.Message) amqp.Delivery {
	return amqp.Delivery{
		Headers: m.Headers, Body: m.Body, MessageId: m.MessageId, Priority: m.Priority,
		Timestamp: m.Timestamp,
	}
}

// same reports whether two fields are equal, times in any zone.
func same(a, b reflect.Value) bool {
	if at, ok := a.Interface().(time.Time); ok {
		return at.Equal(b.Interface().(time.Time))
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// Each field of the headers is carried by some header, and comes back as it was.
func TestNoHeaderIsForgotten(t *testing.T) {
	var h Headers
	written := reflect.ValueOf(&h).Elem()
	fill(t, written)
	came := map[string]bool{}
	for _, where := range []Place{InLane, InDelay, InDead} {
		back, odd := parseHeaders(h.table(where), where, now)
		if odd != nil {
			t.Errorf("%s: odd %v", where, odd)
		}
		read := reflect.ValueOf(back)
		for i := range read.NumField() {
			name := read.Type().Field(i).Name
			if read.Field(i).IsZero() {
				continue
			}
			came[name] = true
			if !same(read.Field(i), written.Field(i)) {
				t.Errorf("%s %s: %v was written, and %v read", where, name, written.Field(i), read.Field(i))
			}
		}
	}
	for i := range written.NumField() {
		if name := written.Type().Field(i).Name; !came[name] {
			t.Errorf("%s is in no header", name)
		}
	}
}

// Whatever becomes of a job, each field of its delivery goes along, but for those that don't travel in messages.
func TestNoFieldOfADeliveryIsForgotten(t *testing.T) {
	stays := map[string]string{
		"Returned": "the broker says so",
		"Unknown":  "Decode says so",
		"Err":      "Decode says so",
		"Bears":    "the worker finds out",
		"Odd":      "a message of Siren's has no such headers",
		"Receipt":  "it is of one delivery alone",
	}
	d := filledDelivery(t)
	delayed, _ := Read(delivered(Retried(d, work.Disposition{After: time.Minute, Error: d.Error}, now)), InDelay, now)
	letter := Letter(delivered(Buried(d, work.Disposition{Reason: "failed", Error: d.Error}, now)), now)
	for way, got := range map[string]work.Delivery{
		"a retry that is back in its lane": Delivery(delivered(delayed.ToLane(now)), delayed.Lane, now),
		"a dead letter":                    letter.Delivery,
	} {
		was, is := reflect.ValueOf(d), reflect.ValueOf(got)
		for i := range was.NumField() {
			name := was.Type().Field(i).Name
			if stays[name] == "" && !same(was.Field(i), is.Field(i)) {
				t.Errorf("%s: %s was %v, and is %v", way, name, was.Field(i), is.Field(i))
			}
		}
	}
	l := reflect.ValueOf(letter)
	for i := range l.NumField() {
		if l.Field(i).IsZero() {
			t.Errorf("a dead letter's %s is empty", l.Type().Field(i).Name)
		}
	}
}

// Each field of an entry is in its message.
func TestNoFieldOfAnEntryIsForgotten(t *testing.T) {
	var e Entry
	fill(t, reflect.ValueOf(&e).Elem())
	e.Job, e.Body = filledDelivery(t).Job, nil
	e.Priority, e.Job.Priority = 2, 1
	m, err := e.Message(now)
	if err != nil {
		t.Fatal(err)
	}
	d := Delivery(delivered(m), m.Key, now)
	job := d.Job
	job.Priority = e.Job.Priority
	e.Body = []byte(`{"id":"given"}`)
	given, err := e.Message(now)
	if err != nil {
		t.Fatal(err)
	}
	arrives := map[string]bool{
		"Lane": d.Lane == e.Lane, "Job": reflect.DeepEqual(job, e.Job), "EnqueuedAt": d.EnqueuedAt.Equal(e.EnqueuedAt),
		"Copy": d.Copy == e.Copy, "Body": bytes.Equal(given.Body, e.Body),
		"Priority": d.Job.Priority == e.Priority,
		"Attempt":  d.Attempt == e.Attempt, "Error": d.Error == e.Error,
	}
	for i := range reflect.TypeFor[Entry]().NumField() {
		if name := reflect.TypeFor[Entry]().Field(i).Name; !arrives[name] {
			t.Errorf("%s doesn't arrive", name)
		}
	}
}
