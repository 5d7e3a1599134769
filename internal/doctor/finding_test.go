package doctor_test

import (
	"encoding/json"
	"testing"

	"github.com/polyglot-media/siren/internal/doctor"
)

func TestSeverities(t *testing.T) {
	for severity, name := range map[doctor.Severity]string{
		doctor.OK: "ok", doctor.Note: "note",
		doctor.Warning: "warning", doctor.Error: "error",
	} {
		text, err := json.Marshal(doctor.Finding{Check: "broker.version", Severity: severity, What: "RabbitMQ 4.3.6"})
		want := `{"check":"broker.version","severity":"` + name + `","what":"RabbitMQ 4.3.6"}`
		if err != nil || string(text) != want {
			t.Errorf("%d: %s, %v", severity, text, err)
		}
		var back doctor.Finding
		if err := json.Unmarshal(text, &back); err != nil || back.Severity != severity || back.Area() != "broker" {
			t.Errorf("%s: %+v, %v", text, back, err)
		}
	}
	if err := new(doctor.Severity).UnmarshalText([]byte("bad")); err == nil {
		t.Error(`"bad" was taken for a severity`)
	}
}

func TestWorst(t *testing.T) {
	if got := doctor.Worst(nil); got != doctor.OK {
		t.Errorf("of nothing: %s", got)
	}
	if got := doctor.Worst([]doctor.Finding{
		{Severity: doctor.Note},
		{Severity: doctor.Error},
		{Severity: doctor.Warning},
	}); got != doctor.Error {
		t.Errorf("the worst: %s", got)
	}
}
