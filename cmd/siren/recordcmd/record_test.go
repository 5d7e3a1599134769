package recordcmd

import (
	"bytes"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/internal/operate/recording"
)

// How many lines are foreseen is a warning, and none where all are measured.
func TestForeseenIsWarnedOf(t *testing.T) {
	for _, c := range []struct {
		s    recording.Summary
		want string
	}{
		{recording.Summary{Jobs: 40}, ""},
		{
			recording.Summary{Jobs: 40, Open: 8, Unsure: 2},
			"10 of 40 lines (25 %) have a run time that is foreseen, not measured",
		},
	} {
		var said bytes.Buffer
		r := command{Operator: &app.Operator{App: &app.App{Streams: app.Streams{Err: &said}}}, path: "-"}
		r.tell(rec, c.s)
		text, warned := said.String(), strings.Contains(said.String(), "foreseen")
		if !strings.Contains(text, c.want) || warned != (c.want != "") {
			t.Errorf("%+v: %s", c.s, text)
		}
	}
}
