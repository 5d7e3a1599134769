package gateway

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// mostHistory is how many points of lanes and pools an answer has: some 10 MB.
const mostHistory = 100_000

type historyIn struct {
	Lane  string `query:"lane" doc:"Only this lane; and no pools, unless one is named."`
	Pool  string `query:"pool" doc:"Only this pool; and no lanes, unless one is named."`
	Since string `query:"since" default:"30m" doc:"Only what was at most so long ago, as in 2h; at most 6h."`
}

type historyOut struct {
	Body struct {
		Step   lanes.Duration `json:"step" doc:"How far the points are apart: 10s for half an hour, 1m for more."`
		Points []fleet.Point  `json:"points" nullable:"false" doc:"The oldest first; none of when no scaler led."`
	}
}

func (g *Gateway) addHistory() {
	on(g, huma.Operation{
		OperationID: "get-history", Method: http.MethodGet, Path: "/v1/history",
		Summary: "Show how lanes and pools fared for up to six hours", Tags: []string{"fleet"},
		Description: "A point that stands for a minute has the longest waits, the mean of counts, rounded up, and " +
			"the last of started, inTime and budget. Prometheus knows more.",
		Errors: []int{http.StatusUnprocessableEntity},
	}, g.history, auth.Reader)
}

// history returns the points of the last time.
func (g *Gateway) history(ctx context.Context, in *historyIn) (*historyOut, error) {
	since, err := ago("since", in.Since)
	if err != nil {
		return nil, err
	}
	if since == 0 || since > redis.HistoryKeep {
		return nil, invalid("since=%q: the history goes back 6h; Prometheus knows more", in.Since)
	}
	now := g.Now()
	points, step, err := g.History.Since(ctx, redis.Of{Lane: in.Lane, Pool: in.Pool}, now.Add(-since), now)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, p := range points {
		n += len(p.Lanes) + len(p.Pools)
	}
	if n > mostHistory {
		return nil, invalid("the lanes and pools have %d points: name a lane or a pool, or ask for less time", n)
	}
	out := &historyOut{}
	out.Body.Step, out.Body.Points = lanes.Duration(step), points
	return out, nil
}
