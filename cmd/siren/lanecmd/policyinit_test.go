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
	answers := "s3://abc/ gs://BCD/\nhttp://192.168.0.1/\ns3://abc/ gs://bcd/\nhttps://cdn.example/\n\nmany\n1\n12\n" +
		"a b\nbatch\n\n5\n-1s\n 500ms \n\n"
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
	for _, again := range []string{
		"192.168.0.1 is a private address, and inputs are fetched from public addresses only; use s3:// or file:// " +
			"for internal storage; again:\n",
		"https can only be read; again:\n",
		`] "many" is not a whole number; again:` + "\n",
		`] "a b" is not a label: write it as urgent=true; again:` + "\n",
		`the label selector "batch" also matches jobs labelled batch=true`,
		`] "5" is not a time: write it as 500ms, 2s or 30m; again:` + "\n",
		`] "-1s" is not a time`,
	} {
		if !strings.Contains(asked.String(), again) {
			t.Errorf("it doesn't say %q: %s", again, asked.String())
		}
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
