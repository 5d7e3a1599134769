package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/internal/operate/tune"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes"
)

// What the commands say of schedules: when they start, what is wrong with one, and how they are removed.
func TestSchedules(t *testing.T) {
	t.Parallel()
	server, store := redistest.StartStore(t)
	o, out, said := tuner(t, store)
	p := inForceLocal(t, o)
	siren := func(args ...string) int {
		out.Reset()
		said.Reset()
		return run("siren", append(args, "--redis-url", server.URL, "--amqp-url", "amqp://127.0.0.1:1"),
			app.Streams{In: strings.NewReader(""), Out: out, Err: said})
	}
	want := func(code, wantCode int, wantOut, wantSaid string) {
		t.Helper()
		if code != wantCode || !strings.Contains(out.String(), wantOut) || !strings.Contains(said.String(), wantSaid) {
			t.Errorf("exit code %d, %s%s\nwant %d, %q and %q", code, out, said, wantCode, wantOut, wantSaid)
		}
	}
	floor := func(args ...string) int {
		return siren(append([]string{"pools", "tune", "general", "--min", "2"}, args...)...)
	}
	for _, c := range []struct{ args, says string }{
		{"--at|fry 18:00|--every|week", `at: "fry" is no weekday; did you mean "fri"?`},
		{"--every|week", "at: is required beside every: from when on? As in fri 18:00"},
		{"--at|fri 18:00|--every|week|--for|200h", "for: 200h is longer than a week"},
		{"--at|fri 18:00|--every|week|--for|0", "for: must be above 0: how long does it last? As in 4h"},
		{"--at|2026-01-02 18:00", "at: 2026-01-02 18:00 UTC is over: give a time to come"},
		{"--at|fri 18:00|--every|week|--timezone|Europe/Berln", `timezone: there is no time zone "Europe/Berln"`},
		{"--timezone|Europe/Berlin", "at: is required: when does it start?"},
		{"--cron|0 18 * * fri", "name: a schedule with a cron line needs a name"},
		{"--name|friday", "name: only what is scheduled has a name"},
		{"--at|fri 18:00|--every|week|--name|Friday", `"Friday" must be lower-case letters`},
		{"--at|fri 18:00|--every|month", `every: "month" is none of day and week; for anything else write a cron line`},
		{"--at||--for|5m", `"--at" flag: it is empty: is a shell variable unset? Say something`},
		{"--cron|", `"--cron" flag: it is empty`},
		{"--at|18:00|--every|", "or leave --every out"},
		{"--at|18:00|--timezone| ", `"--timezone" flag: it is empty`},
		{"--at|18:00|--name|", `"--name" flag: it is empty`},
	} {
		want(floor(strings.Split(c.args, "|")...), exit.Usage, "", c.says)
	}
	for _, verb := range []string{
		"pools freeze general", "lanes pause bulk", "lanes tune bulk --reserve 1", "budget set 9",
	} {
		said := siren(append(strings.Fields(verb), "--at", "", "--for", "5m")...)
		want(said, exit.Usage, "", `"--at" flag: it is empty`)
	}
	want(siren("pools", "tune", "general", "--min", "9", "--at", "fri 18:00", "--every", "week"), exit.Failed, "",
		"pools.general.min = 9 breaks a rule of the policy")

	friday := []string{"--at", "fri 18:00", "--for", "4h", "--every", "week", "--timezone", "Europe/Berlin"}
	want(floor(append(friday, "--dry-run")...), exit.OK, "nothing was changed (--dry-run)", "")
	want(floor(append(friday, "--reason", "the match")...), exit.OK, "pools.general.min: 1 → 2, fri 18:00 every week "+
		"for 4h (Europe/Berlin) (schedule general-fri-1800)\n", "")
	if !strings.Contains(out.String(), " 18:00 CE") || !strings.Contains(out.String(), "undo: siren tunings remove "+
		"general-fri-1800\n") {
		t.Errorf("%s", out)
	}
	want(siren("pools", "tune", "general", "--min", "1", "--at", "fri 20:00", "--every", "week"), exit.Failed, "",
		"refused: schedule general-fri-1800 has pools.general.min 2 at the same time")
	want(siren("tunings"), exit.OK, "general-fri-1800: fri 18:00 every week for 4h (Europe/Berlin)", "")

	// an immediate one stands beside it
	want(siren("pools", "tune", "general", "--min", "3", "--wait=false"), exit.OK, "undo: siren tunings remove "+
		"pools.general.min\n", "")
	now, _, err := o.Tunings.Now(t.Context())
	must(t, err)
	if len(now.All) != 2 || now.All[0].ID() != "pools.general.min@general-fri-1800" ||
		now.All[1].ID() != "pools.general.min" {
		t.Errorf("%+v", now.All)
	}
	want(siren("tunings", "export"), exit.OK, "name: general-fri-1800", "")
	want(siren("tunings", "remove", "general-fri"), exit.NotFound, "", "there is no tuning of general-fri")
	want(siren("tunings", "remove", "general-fri-1800", "--wait=false"), exit.OK, "pools.general.min: 2, fri 18:00 "+
		"every "+
		"week for 4h (Europe/Berlin) (schedule general-fri-1800): removed", "")
	want(siren("audit", "-o", "wide"), exit.OK, "general-fri-1800: fri 18:00 every week for 4h (Europe/Berlin)", "")

	// those of the file are listed, and changed there
	p.Schedules = []lanes.Schedule{{
		Name: "nights", At: "22:00", Every: "day", For: lanes.Duration(8 * 3600e9),
		Set: map[string]json.RawMessage{"budget": []byte("3")},
	}}
	must(t, p.Validate())
	_, err = o.Board.PublishPolicy(t.Context(), lanes.Effective{Policy: *p})
	must(t, err)
	want(siren("tunings", "-o", "json"), exit.OK, `"schedule": "nights"`, "")
	var l tune.List
	must(t, json.Unmarshal(out.Bytes(), &l))
	if r := l.Tunings[len(l.Tunings)-1]; r.By != lanes.FilePolicy || r.File != "4" || r.Next == nil {
		t.Errorf("%+v", r)
	}
	want(siren("tunings", "remove", "nights"), exit.Failed, "", "nights is a schedule of the policy file: change it "+
		"there")
	want(siren("budget", "set", "2", "--at", "22:00", "--every", "day", "--name", "nights"), exit.Failed, "",
		`the policy file has a schedule "nights"`)
	want(siren("lanes", "resume", "bulk", "--at", "22:00"), exit.Usage, "", "unknown flag: --at")
}
