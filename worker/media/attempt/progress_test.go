package attempt

import (
	"fmt"
	"testing"

	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/worker/workertest"
)

func TestProgressNotes(t *testing.T) {
	var got []job.Progress
	p := progress{total: 60, to: 1, report: func(v job.Progress) { got = append(got, v) }}
	for _, part := range []string{
		"frame=1\nout_time_us=N/A\nspeed=N/A\nprogress=continue\nout_ti",
		"me_us=12400000\nspeed=2.1x\nprogress=cont", "inue\nout_time_us=61000000\nspeed= 1.9x\nprogress=end\n",
	} {
		_, err := p.Write([]byte(part))
		workertest.Must(t, err)
	}
	want := []job.Progress{
		{Fraction: 0, Note: "0.0 of 60.0 s"},
		{Fraction: 12.4 / 60, Note: "12.4 of 60.0 s at 2.1x"},
		{Fraction: 1, Note: "60.0 of 60.0 s at 1.9x"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestProgressOfARunAmongOthers(t *testing.T) {
	if got := (&progress{total: 60, done: 30, from: 0.5, to: 1}).value().Fraction; got != 0.75 {
		t.Errorf("half of the second half is %v of all", got)
	}
	if got := (&progress{done: 30, from: 0.5, to: 1}).value().Fraction; got != 0.5 {
		t.Errorf("after the first half, of nobody knows how long, is %v of all", got)
	}
}
