package lanecmd

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes"
)

func TestAskForAPolicy(t *testing.T) {
	n := usualPolicy
	var asked bytes.Buffer
	answers := "s3://abc/ gs://BCD/\ns3://abc/ gs://bcd/\n\nmany\n1\n12\nbatch\n\n 500ms \n\n"
	if err := n.ask(strings.NewReader(answers), &asked); err != nil {
		t.Fatal(err)
	}
	text, err := n.text()
	if err != nil {
		t.Fatal(err)
	}
	p, err := lanes.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	express, standard := p.Lanes[0].StartWithin.D(), p.Lanes[1].StartWithin.D()
	if p.Budget != 12 || p.Lanes[0].Match[0] != "urgent=true" ||
		express != 500*time.Millisecond || standard != 30*time.Second || len(p.Storage) != 3 ||
		p.Storage[1].Prefix != "gs://bcd/" || p.Storage[2].Prefix != "s3://media-out/" {
		t.Errorf("%s", text)
	}
	if !strings.Contains(asked.String(), `"many": invalid syntax; again:`) ||
		!strings.Contains(asked.String(), `the label selector "batch" also matches jobs labelled batch=true`) {
		t.Errorf("asked: %s", asked.String())
	}
	err = n.ask(strings.NewReader("s3://abc/\n"), &asked)
	if err == nil || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("an end in the middle: %v", err)
	}
}

// Whatever number of workers, the policy is valid, and nothing in it is worth a warning.
func TestNewPolicyOfAnySize(t *testing.T) {
	for workers := 2; workers < 200; workers++ {
		n := usualPolicy
		n.Workers = workers
		text, err := n.text()
		if err != nil {
			t.Fatal(err)
		}
		p, err := lanes.Parse([]byte(text))
		if err != nil || len(p.Warnings()) > 0 {
			t.Errorf("%d workers: %v, %v", workers, err, p.Warnings())
		}
	}
}
