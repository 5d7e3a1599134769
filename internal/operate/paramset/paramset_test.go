package paramset

import (
	"testing"
)

func TestParseSet(t *testing.T) {
	set, err := Parse([]string{"crf=30", "preset=fast", "audio=null", `at="5"`, "channels=5.1"}, "")
	if err != nil || set.String() != `at="5" audio=null channels="5.1" crf=30 speed="fast"` {
		t.Errorf("%s, %v", set, err)
	}
	if !set.Fits("unknown") || set.Fits("probe") {
		t.Error("only kinds that are known are known not to take a param")
	}
	if _, err := Parse([]string{"shape=1"}, "unknown"); err != nil {
		t.Errorf("a param of another program's kind: %v", err)
	}
	for _, wrong := range [][]string{
		{"crf"},
		{"=1"},
		{"a b=1"},
		{"-x=1"},
		{"crf=1", "crf=2"},
		{"shape=1"},
		{"preset=fast", "speed=slow"},
	} {
		if _, err := Parse(wrong, ""); err == nil {
			t.Errorf("%v was taken", wrong)
		}
	}
}
