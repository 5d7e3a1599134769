package show

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// onTerminal returns what write writes to a terminal, and what it writes elsewhere.
func onTerminal(t *testing.T, write func(*Terminal)) (coloured, plain string) {
	t.Helper()
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	var there, elsewhere bytes.Buffer
	write(&Terminal{to: &there, looked: screen})
	write(NewTerminal(&elsewhere))
	return there.String(), elsewhere.String()
}

func TestTableAligns(t *testing.T) {
	tab := NewTable(Col("LANE"), Num("READY"))
	tab.Add("express", "7")
	tab.Add("bulk", "1200")
	tab.Paint("LANE", Red)
	coloured, plain := onTerminal(t, func(w *Terminal) { _ = tab.Print(w) })
	if want := "LANE     READY\nexpress      7\n\x1b[31mbulk\x1b[0m      1200\n"; coloured != want {
		t.Errorf("got\n%q\nnot\n%q", coloured, want)
	}
	if want := "LANE     READY\nexpress      7\nbulk      1200\n"; plain != want {
		t.Errorf("elsewhere got\n%q\nnot\n%q", plain, want)
	}
}

// What a stranger wrote can't move the cursor, bring colours, hide or turn round what is beside it; it breaks no line,
// and is not wider than a table is.
func TestTableIsHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"a\x1b[2J\x1b]0;title\x07b\nc\u009bd":          "a�[2J�]0;title�b c�d",
		"a\x1b[8mconcealed":                            "a�[8mconcealed",
		"a\u202egpj.exe\u2066b\u200bc\ufeff":           "a�gpj.exe�b�c�",
		"tags \U000E0041 and \u2028lines\u0085":        "tags � and  lines",
		"\xff\xfe":                                     "��",
		"école 日本":                                     "école 日本",
		"https://me:secret@h/a?X-Amz-Signature=secret": "https://me:…@h/a?X-Amz-Signature=…",
		strings.Repeat("x", 256<<10):                   strings.Repeat("x", maxCell-1) + "…",
	} {
		tab := NewTable(Col("KIND"))
		tab.Add(in)
		coloured, plain := onTerminal(t, func(w *Terminal) { _ = tab.write(w, form{wide: true}, []int{0}) })
		if coloured != want+"\n" || plain != want+"\n" {
			t.Errorf("%q, not %q", coloured, want)
		}
	}
}
