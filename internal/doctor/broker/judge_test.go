package broker

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
)

func TestJudgeVersion(t *testing.T) {
	for _, c := range []struct {
		product, version string
		want             doctor.Severity
	}{
		{"RabbitMQ", "3.9.29", doctor.Error},
		{"RabbitMQ", "3.10.8", doctor.Note},
		{"RabbitMQ", "3.13.7", doctor.Note},
		{"RabbitMQ", "4.0.5", doctor.OK},
		{"RabbitMQ", "4.3.6", doctor.OK},
		{"RabbitMQ", "4.3.0-rc.1", doctor.OK},
		{"RabbitMQ", "4.4.0", doctor.Note},
		{"RabbitMQ", "5.0.0", doctor.Note},
		{"RabbitMQ", "", doctor.Warning},
		{"RabbitMQ", "main", doctor.Warning},
		{"LavinMQ", "2.1.0", doctor.Warning},
	} {
		if f := judgeVersion(c.product, c.version); f.Severity != c.want || f.Severity > doctor.OK &&
			(f.Why == "" || f.Fix == "") {
			t.Errorf("%s %s: %+v, want %s", c.product, c.version, f, c.want)
		}
	}
}

// What follows for priorities and for the consumer timeout, by version and type.
func TestJudgeTypesAndTimeout(t *testing.T) {
	p := &lanes.Policy{}
	p.Default()
	for _, c := range []struct {
		version, kind string
		types         doctor.Severity
		says          string
		timeout       doctor.Severity
	}{
		{"3.10.8", lanes.Classic, doctor.OK, "serve priorities strictly", doctor.Note},
		{"3.13.7", lanes.Quorum, doctor.OK, "have no priorities", doctor.Note},
		{"4.0.5", lanes.Classic, doctor.OK, "serve priorities strictly", doctor.Note},
		{"4.0.5", lanes.Quorum, doctor.OK, "delivery limit (20) off", doctor.OK},
		{"4.3.6", lanes.Classic, doctor.OK, "no consumer timeout for them", doctor.OK},
		{"4.3.6", lanes.Quorum, doctor.OK, "sets their consumer timeout", doctor.OK},
	} {
		found := judgeTypes(c.version, []string{c.kind})
		if len(found) != 1 || found[0].Severity != c.types || !strings.Contains(found[0].What, c.says) {
			t.Errorf("%s %s: %+v", c.kind, c.version, found)
		}
		f := judgeTimeout(c.version, []string{c.kind}, p)
		if f.Severity != c.timeout || f.Severity == doctor.Note &&
			!strings.Contains(f.Fix, "must be {ok,1800000} or more") {
			t.Errorf("timeout of %s %s: %+v", c.kind, c.version, f)
		}
	}
	if f := judgeTimeout("4.0.5", []string{lanes.Quorum, lanes.Classic}, p); f.Severity != doctor.Note {
		t.Errorf("of both types: %+v", f)
	}
}

func TestJudgeDelay(t *testing.T) {
	if f := judgeDelay(300 * time.Microsecond); f.Severity != doctor.OK {
		t.Errorf("%+v", f)
	}
	if f := judgeDelay(200 * time.Millisecond); f.Severity != doctor.Warning {
		t.Errorf("%+v", f)
	}
}

// What a fix grants is what docs/rabbitmq.md and the bundled broker of the chart grant.
func TestRightsAreThoseOfDocsAndChart(t *testing.T) {
	docs, err := os.ReadFile("../../../docs/rabbitmq.md")
	if err != nil {
		t.Fatal(err)
	}
	chart, err := os.ReadFile("../../../charts/siren/templates/_bundled.tpl")
	if err != nil {
		t.Fatal(err)
	}
	for role, r := range rightsOf {
		line := fmt.Sprintf("'%s' '%s' '%s'", r.configure, r.write, r.read)
		if got := regexp.MustCompile(`\s+`).ReplaceAllString(string(docs), " "); !strings.Contains(got, line) {
			t.Errorf("docs/rabbitmq.md grants a %s other rights than %s", role, line)
		}
		for _, pattern := range []string{r.configure, r.write, r.read} {
			if !strings.Contains(string(chart), pattern) &&
				!strings.Contains(string(chart), strings.ReplaceAll(pattern, `\`, `\\`)) {
				t.Errorf("the chart grants a %s other rights than %s", role, pattern)
			}
		}
	}
}
