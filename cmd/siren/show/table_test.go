package show

import (
	"testing"
)

func TestTableAligns(t *testing.T) {
	tab := NewTable(Col("LANE"), Num("READY"))
	tab.Add("express", "7")
	tab.Add("\x1b[31mbulk\x1b[0m", "1200")
	const want = "LANE     READY\nexpress      7\n\x1b[31mbulk\x1b[0m      1200\n"
	if got := tab.String(); got != want {
		t.Errorf("got\n%q\nnot\n%q", got, want)
	}
}

// What a stranger wrote can't move the cursor, and doesn't break a line.
func TestTableIsHarmless(t *testing.T) {
	tab := NewTable(Col("KIND"))
	tab.Add("a\x1b[2J\x1b]0;title\x07b\nc\u009bd")
	if got, want := tab.String(), "KIND\na [2J ]0;title b c d\n"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}
