package hung

import (
	"strings"
	"testing"
	"time"
)

// A row shows the waits by when a job was confirmed, and the longest pause from when the node hung.
func TestTable(t *testing.T) {
	at := time.Unix(1000, 0)
	job := func(confirmed, out float64) done {
		second := func(s float64) time.Time { return at.Add(time.Duration(s * float64(time.Second))) }
		return done{second(confirmed), second(out)}
	}
	table := &Table{Node: "node2", Connected: []string{"w1", "s2"}, at: at}
	table.add(row{name: "standard", node: "node2", done: []done{
		job(-20, -19.5), job(-10, -9.75), job(-1, 7), job(3, 7.5), job(12, 12.25), job(25, 34), job(31, 34.5),
	}})
	var out strings.Builder
	if err := table.Print(&out); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(out.String()), " ")
	want := "standard node2 0.50 / 0.50 s 8.00 / 8.00 s 0.25 / 0.25 s 9.00 / 9.00 s 3.50 / 3.50 s 21.8 s"
	if !strings.Contains(got, want) {
		t.Errorf("no %q in\n%s", want, out.String())
	}
}
