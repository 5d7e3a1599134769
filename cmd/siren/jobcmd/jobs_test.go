package jobcmd

import (
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/job"
)

// On a screen of 80 characters the jobs' ids, states, lanes and progress are seen whole: the detail is cut, and goes,
// before a long id is.
func TestJobTableFits(t *testing.T) {
	now := time.Now()
	for id, want := range map[string]string{
		"06ezy9k2m4n6p8q0r2s4t6v8wa":           "ID                          STATE      LANE      PROGRESS  DETAIL",
		"0197b2c4-5d6e-7f80-9a1b-2c3d4e5f6071": "ID                                    STATE      LANE      PROGRESS",
	} {
		var b strings.Builder
		table := jobTable([]job.Record{
			{ID: id, State: job.Completed, Kind: "transcode", Lane: "standard", Output: "s3://media/out/film.mp4"},
		}, now)
		if err := table.Fit(&b, 80); err != nil {
			t.Fatal(err)
		}
		header, row, _ := strings.Cut(b.String(), "\n")
		if header != want || !strings.HasPrefix(row, id+"  completed  standard  100%") ||
			strings.Contains(want, "DETAIL") != strings.Contains(row, "s3://media/") {
			t.Errorf("%s\n%s\nwant\n%s", header, row, want)
		}
	}
}
