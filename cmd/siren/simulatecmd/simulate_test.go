package simulatecmd

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
)

const policy = `
lanes:
  - {name: express, match: ["urgent=true"], startWithin: 2s}
  - {name: standard, startWithin: 30s}
pools: [{name: general, lanes: [express, standard], shoulder: {express: 1}, min: MIN, max: 20}]
budget: 20
storage: [{prefix: "file:///media/", read: true, write: true}]
`

// files writes what the tests name into the folder they run in.
func files(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"siren.yaml": strings.ReplaceAll(policy, "MIN", "1"), "more.yaml": strings.ReplaceAll(policy, "MIN", "12"),
		"slow.yaml":  strings.ReplaceAll(strings.ReplaceAll(policy, "MIN", "0"), "30s", "5m"),
		"large.yaml": strings.ReplaceAll(policy, "MIN", "6, slots: 2"),
		"jobs.csv":   "time,labels,service,kind\n0,urgent=true,2,thumbnail\n0.5,,10,transcode\n61,,10,transcode\n",
		"bad.csv":    "time,lane,service\n0,standard,1\n1,slow,1\n",
		"long.csv":   "time,lane,service\n0,standard,600\n1,standard,600\n60,standard,7200\n",
		"empty.csv":  "time,lane,service\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// siren runs the command, and returns what it printed.
func siren(args ...string) (out, said string, err error) {
	var o, e bytes.Buffer
	c := New(&app.App{Streams: app.Streams{In: strings.NewReader(""), Out: &o, Err: &e}})
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	err = c.ExecuteContext(context.Background())
	return o.String(), e.String(), err
}

func TestSimulate(t *testing.T) {
	files(t)
	poisson := "--pattern poisson --rate 2 --service 3s --lanes express=0.1 --for 10m"
	for _, c := range []struct{ args, want string }{
		{
			"--policy siren.yaml " + poisson,
			`(?s)^10m of poisson at 2 jobs/s, 3s each, with seed 1 and workers that start in 10s:` +
				`\n\nLANE .*IN TIME.*\nexpress +2s +\d+ .*\nstandard +30s +1\d\d\d .*` +
				`\n\nPOOL +WORKER-HOURS.*\ngeneral +\d`,
		},
		{"--policy siren.yaml --trace jobs.csv", `(?s)^2m1s of jobs.csv.*express +2s +1 +100.0%.*standard +30s +2 `},
		{"--policy siren.yaml --trace jobs.csv --predicted-by-kind", `(?s)standard +30s +2 `},
		{"--policy siren.yaml --trace jobs.csv --for 30s", `(?s)^30s of jobs.csv.*standard +30s +1 `},
		{"--policy siren.yaml --trace jobs.csv", `PEAK\ngeneral [^\n]*\n$`},
		{
			"--policy siren.yaml --trace long.csv",
			`(?s)^2m of long.csv.*\n\nWhat hasn't ended when it is over isn't all in the costs: 3 jobs of 2.33\s+core`,
		},
		{"--policy siren.yaml --trace long.csv --for 1h", `1 job of 2.00 core-hours`},
		{
			"--policy siren.yaml --against more.yaml --trace long.csv",
			`(?s)3 jobs of 2.33\s+core-hours\s+with\s+siren.yaml,\s+3\s+jobs\s+of\s+2.33\s+core-hours\s+with\s+more`,
		},
		{"--policy siren.yaml --compare --trace long.csv", `(?s)3 jobs of 2.33\s+core-hours\s+with\s+Siren`},
		{"--policy siren.yaml --cold-start 1m --cold-spread 0 " + poisson, "workers that start in 1m0s"},
		{
			"--policy siren.yaml --compare -o wide " + poisson,
			`(?s)SCALER +EXPRESS.*\nSiren .* 0 *\n.*KEDA, its defaults.*amqp`,
		},
		{
			"--policy more.yaml --against siren.yaml " + poisson,
			`(?s)from siren.yaml to more.yaml:\n.*  - the fleet costs \d+ % more: [\d.]+ worker-hours, not [\d.]+\n.*` +
				`  - workers start \d+ times, not \d+\n\nLANE +IN TIME +WAS.*\n\nPOOL +WORKER-HOURS +WAS +STARTS +WAS`,
		},
		{
			"--policy slow.yaml --against more.yaml " + poisson,
			`(?s)  - standard waits longer: 95 % of its jobs wait for at most [\d.]+s, not [\d.]+(ms|s)\n`,
		},
		{
			"--policy large.yaml --against siren.yaml " + poisson,
			`(?s)  - the fleet costs \d+ % (more|less): [\d.]+ core-hours, not [\d.]+\n`,
		},
		{"--policy siren.yaml --against siren.yaml " + poisson, "  - nothing that matters changes"},
		{
			"--policy siren.yaml --failing 1 -o wide --for 2h --pattern sparse --rate 0.01",
			`(?s)DEAD +CRASHED +HITS +LOST\n.*standard .* [1-9]\d* +0 +0 +0s\n`,
		},
	} {
		out, said, err := siren(strings.Fields(c.args)...)
		if err != nil || said != "" || !regexp.MustCompile(c.want).MatchString(out) {
			t.Errorf("%s: %v, %q, want %s in\n%s", c.args, err, said, c.want, out)
		}
	}
}

func TestSimulateAsJSON(t *testing.T) {
	files(t)
	args := strings.Fields("--policy siren.yaml --pattern flash --rate 1 --for 20m --period 5m -o json")
	out, _, err := siren(args...)
	var r struct {
		Seed  uint64
		Lanes []struct {
			Name string
			P95  string
		}
		Total     struct{ Busy, Starts float64 }
		Decisions []struct{ Why string }
	}
	if err != nil || json.Unmarshal([]byte(out), &r) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r.Seed != 1 || r.Lanes[1].Name != "standard" || r.Lanes[1].P95 == "" || r.Total.Busy == 0 ||
		len(r.Decisions) == 0 || r.Decisions[0].Why == "" {
		t.Errorf("%+v", r)
	}
	if again, _, _ := siren(args...); again != out {
		t.Error("the same seed makes another result")
	}
	if other, _, _ := siren(append(args, "--seed", "2")...); other == out {
		t.Error("another seed makes the same result")
	}
}

// The page needs nothing else, and has a picture of each kind.
func TestPage(t *testing.T) {
	files(t)
	for _, args := range []string{"", "--compare", "--against more.yaml"} {
		path := filepath.Join(t.TempDir(), "page.html")
		_, said, err := siren(strings.Fields("--policy siren.yaml --pattern flash --rate 1 --for 20m --html " + path +
			" " + args)...)
		if err != nil || !strings.Contains(said, "wrote "+path) {
			t.Fatal(err, said)
		}
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(page), "http://www.w3.org/2000/svg", "")
		if bad := regexp.MustCompile(`https?:|src=|href=|url\(|<script|NaN`).FindString(text); bad != "" {
			t.Errorf("%q: the page has %q", args, bad)
		}
		for _, want := range []string{"Longest waits", "The fleet", "Jobs that wait", "decisions", "</html>"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q: the page has no %q", args, want)
			}
		}
		if all := strings.Contains(text, "What it costs, and what it reaches"); all != (args == "--compare") {
			t.Errorf("%q: the picture of all scalers: %t", args, all)
		}
	}
}

func TestErrors(t *testing.T) {
	files(t)
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"--policy siren.yaml", "no load: give --trace FILE, or --pattern", exit.Usage},
		{"--policy siren.yaml --trace jobs.csv --pattern flash", "two loads", exit.Usage},
		{"--policy siren.yaml --trace jobs.csv --rate 2 --lanes express=1", "--rate, --lanes: of a", exit.Usage},
		{"--policy siren.yaml --trace jobs.csv --service 2s --parts 2", "--service, --parts: of a", exit.Usage},
		{"--policy siren.yaml --trace jobs.csv --spread exp --period 1m", "--spread, --period: of a", exit.Usage},
		{"--policy siren.yaml --pattern flash --compare --against more.yaml", "give one of them", exit.Usage},
		{"--policy siren.yaml --pattern flash --for -1s", "--for: -1s is no time to play", exit.Usage},
		{"--policy siren.yaml --pattern flash --failing 2", "--failing: 2 is no part", exit.Usage},
		{"--policy siren.yaml --pattern flash --predicted-by-kind", "needs a --trace with kinds", exit.Usage},
		{"--policy siren.yaml --pattern flash --late-depths -1s", "--late-depths: -1s is none", exit.Usage},
		{"--policy siren.yaml --pattern flash --rate 0", "a rate of 0 jobs a second is none", exit.Usage},
		{"--policy siren.yaml --pattern flash --lanes slow=0.1", `--lanes: the policy has no lane "slow"`, exit.Usage},
		{
			"--policy siren.yaml --trace bad.csv", `bad.csv: line 3 of the trace: the policy has no lane "slow"`,
			exit.Failed,
		},
		{"--policy siren.yaml --trace empty.csv", "empty.csv has no jobs after its first line", exit.Failed},
		{"--policy siren.yaml --trace missing.csv", "read the trace: open missing.csv", exit.Failed},
		{"--policy missing.yaml --pattern flash", "missing.yaml", exit.Failed},
		{"--policy siren.yaml --against missing.yaml --pattern flash", "missing.yaml", exit.Failed},
		{"--policy siren.yaml --pattern flash --html no/such/page.html", "write the page", exit.Failed},
	} {
		_, _, err := siren(strings.Fields(c.args)...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.args, err, c.want)
			continue
		}
		if code, _ := exit.Of(err); code != c.code {
			t.Errorf("%s: exit code %d, want %d", c.args, code, c.code)
		}
	}
}

// A flash's rate is the one between its bursts, as the help says.
func TestRateOfFlash(t *testing.T) {
	files(t)
	if usage := New(&app.App{}).Flags().Lookup("rate").Usage; !strings.Contains(usage, "of flash, between its bursts") {
		t.Error(usage)
	}
	// nine tenths of the hour at 1 a second, and a tenth at 10
	out, _, err := siren(strings.Fields("--policy siren.yaml --pattern flash --rate 1 --service 1s -o json")...)
	var r struct{ Lanes []struct{ Arrived int } }
	if err != nil || json.Unmarshal([]byte(out), &r) != nil {
		t.Fatal(err, out)
	}
	if n := r.Lanes[0].Arrived + r.Lanes[1].Arrived; n < 6500 || n > 7200 {
		t.Errorf("%d jobs came, about 6840 should", n)
	}
}

// Ctrl-C ends it, however long it would take.
func TestInterrupted(t *testing.T) {
	files(t)
	var o bytes.Buffer
	c := New(&app.App{Streams: app.Streams{In: strings.NewReader(""), Out: &o, Err: &o}})
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(strings.Fields("--policy siren.yaml --pattern poisson --rate 100 --for 87600h --html page.html"))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := c.ExecuteContext(ctx); err == nil || !strings.Contains(err.Error(), "interrupted") || o.Len() > 0 {
		t.Error(err, o.String())
	}
	if _, err := os.Stat("page.html"); err == nil {
		t.Error("an empty page is left")
	}
}
