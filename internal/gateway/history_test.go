package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/internal/gateway"
	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redistest"
	"github.com/polyglot-media/siren/lanes/fleet"
)

func TestHistory(t *testing.T) {
	_, store := redistest.StartStore(t)
	h, now := redis.NewHistory(store), time.Date(2026, 1, 2, 12, 10, 5, 0, time.UTC)
	note := func(at time.Time, lanes int) {
		s := fleet.Snapshot{At: at, Budget: 10, Others: 7, Pools: []fleet.PoolStatus{{Name: "general", Ready: 3}}}
		for i := range lanes {
			s.Lanes = append(s.Lanes, fleet.LaneStatus{Name: fmt.Sprint("lane-", i), Ready: i})
		}
		redistest.Must(t, h.Note(t.Context(), s))
	}
	for _, ago := range []time.Duration{40 * time.Minute, 15 * time.Second, 0} {
		note(now.Add(-ago), 2)
	}
	g := gateway.New(gateway.Options{
		House: gateway.House{History: h, Now: func() time.Time { return now }}, Guard: auth.Anybody{Name: "me"},
	})
	ask := func(query string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/v1/history?"+query, nil))
		return w
	}
	for query, want := range map[string]string{
		"":                         "10s 12:09:50=lane-0,lane-1,general 12:10:00=lane-0,lane-1,general",
		"since=30m":                "10s 12:09:50=lane-0,lane-1,general 12:10:00=lane-0,lane-1,general",
		"since=8s":                 "10s 12:10:00=lane-0,lane-1,general",
		"since=6h":                 "1m 11:30:00=lane-0,lane-1,general 12:09:00=lane-0,lane-1,general",
		"lane=lane-1":              "10s 12:09:50=lane-1 12:10:00=lane-1",
		"pool=general&since=8s":    "10s 12:10:00=general",
		"pool=general&lane=lane-0": "10s 12:09:50=lane-0,general 12:10:00=lane-0,general",
		"lane=lane-9&since=8s":     "10s 12:10:00=",
	} {
		w := ask(query)
		if got := pointsOf(t, w); got != want {
			t.Errorf("%q: %d %s, want %s", query, w.Code, got, want)
		}
	}
	text := ask("lane=lane-1&pool=general&since=8s").Body.String()
	if !strings.Contains(text, `"lanes":{"lane-1":{"ready":1,"busy":0,`+
		`"oldestWait":"0s","p95Wait":"0s","started":0,"inTime":0}},"pools":{"general":{"ready":3,"busy":0,`+
		`"starting":0,"wanted":0,"target":0}},"workers":7,"budget":10}`) {
		t.Error(text)
	}
	for query, want := range map[string]string{
		"since=7h": "the history goes back 6h", "since=0s": "the history goes back 6h",
		"since=soon": "say how long ago",
	} {
		w := ask(query)
		if w.Code != http.StatusBadRequest && w.Code != http.StatusUnprocessableEntity ||
			!strings.Contains(w.Body.String(), want) {
			t.Errorf("%q: %d %s", query, w.Code, w.Body)
		}
	}
	now = now.Add(10 * time.Second)
	note(now, 100_001)
	w := ask("")
	if w.Code < 400 || w.Code > 499 || !strings.Contains(w.Body.String(), "name a lane or a pool") {
		t.Errorf("%d %.300s", w.Code, w.Body)
	}
	if got := pointsOf(t, ask("lane=lane-99999&since=8s")); got != "10s 12:10:10=lane-99999" {
		t.Error(got)
	}
}

// pointsOf returns the answer as "step time=names …".
func pointsOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var a struct {
		Step   string
		Points []fleet.Point
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
		return w.Body.String()
	}
	said := a.Step
	for _, p := range a.Points {
		var names []string
		for _, name := range []string{"lane-0", "lane-1", "lane-99999"} {
			if _, ok := p.Lanes[name]; ok {
				names = append(names, name)
			}
		}
		if _, ok := p.Pools["general"]; ok {
			names = append(names, "general")
		}
		said += " " + p.At.Format(time.TimeOnly) + "=" + strings.Join(names, ",")
	}
	return said
}
