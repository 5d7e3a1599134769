package lanes_test

import (
	"encoding/json"
	"testing"

	"github.com/polyglot-media/siren/lanes"
)

func TestSeverities(t *testing.T) {
	for severity, name := range map[lanes.Severity]string{lanes.OK: "ok", lanes.Note: "note", lanes.Warning: "warning", lanes.Error: "error"} {
		text, err := json.Marshal(lanes.Finding{Check: "broker.version", Severity: severity, What: "RabbitMQ 4.3.6"})
		want := `{"check":"broker.version","severity":"` + name + `","what":"RabbitMQ 4.3.6"}`
		if err != nil || string(text) != want {
			t.Errorf("%d: %s, %v", severity, text, err)
		}
		var back lanes.Finding
		if err := json.Unmarshal(text, &back); err != nil || back.Severity != severity || back.Area() != "broker" {
			t.Errorf("%s: %+v, %v", text, back, err)
		}
	}
	if err := new(lanes.Severity).UnmarshalText([]byte("bad")); err == nil {
		t.Error(`"bad" was taken for a severity`)
	}
}

func TestWorst(t *testing.T) {
	if got := lanes.Worst(nil); got != lanes.OK {
		t.Errorf("of nothing: %s", got)
	}
	if got := lanes.Worst([]lanes.Finding{{Severity: lanes.Note}, {Severity: lanes.Error}, {Severity: lanes.Warning}}); got != lanes.Error {
		t.Errorf("the worst: %s", got)
	}
}
