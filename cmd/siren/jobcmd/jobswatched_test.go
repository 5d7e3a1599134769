package jobcmd

import (
	"slices"
	"testing"
	"time"

	"github.com/polyglot-media/siren/cmd/siren/choose"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/job"
	"github.com/polyglot-media/siren/lanes/work"
)

// A list that is watched begins with what runs, also where newer jobs fill the page; --state and --after are as always.
func TestRunningFirst(t *testing.T) {
	l, _ := redistest.FreshLedger(t)
	now := time.Now()
	for i, id := range []string{"oldest", "old", "new", "newest"} {
		_, err := redistest.Create(t.Context(), l, job.Job{ID: id, Kind: "probe"}, "bulk",
			now.Add(time.Duration(i-10)*time.Second))
		redistest.Must(t, err)
	}
	redistest.Claim(t, l, redistest.Delivery("oldest", "bulk"), "w1", work.Granted)
	for _, c := range []struct {
		choose choose.Jobs
		want   []string
	}{
		{choose.Jobs{}, []string{"oldest", "newest", "new", "old"}},
		{choose.Jobs{Limit: 2}, []string{"oldest", "newest"}},
		{choose.Jobs{Limit: 2, State: string(job.Queued)}, []string{"newest", "new"}},
	} {
		records, _, err := runningFirst(c.choose)(t.Context(), l, now)
		redistest.Must(t, err)
		var ids []string
		for _, r := range records {
			ids = append(ids, r.ID)
		}
		if !slices.Equal(ids, c.want) {
			t.Errorf("%+v: %q, want %q", c.choose, ids, c.want)
		}
	}
}
