//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/polyglot-media/siren/lanes/audit"
	"github.com/polyglot-media/siren/lanes/fleet"
)

// The workers of a floor that is planned for a minute are ready at that minute, not before they are needed, and gone
// after its end.
func TestAScheduledFloorIsReady(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.install(policy)
	r.settled("general", 1, time.Minute)
	at := time.Now().Add(100 * time.Second).Truncate(time.Minute).UTC() // at least 40 s ahead
	r.says("first "+at.Format("Mon 2006-01-02 15:04 UTC"), "pools", "tune", "general", "--min", "3",
		"--at", at.Format("2006-01-02 15:04"), "--for", "30s", "--name", "rush", "--reason", "the match")
	r.says("rush: "+at.Format("2006-01-02 15:04")+" for 30s (UTC)", "tunings")
	r.says("pools.general.min is to be 3 by schedule rush", "explain", "pool", "general")

	cold := r.pool("general").ColdStart.D()
	r.await("the floor is asked for", time.Until(at), func() (bool, string) {
		return *r.deployment("general").Spec.Replicas == 3, "1 replica"
	})
	if early := time.Until(at); early > 2*cold+10*time.Second {
		t.Errorf("3 replicas are asked for %s before, and a cold start takes %s", early, cold)
	}
	time.Sleep(time.Until(at))
	if d := r.deployment("general"); d.Status.ReadyReplicas != 3 {
		t.Errorf("at the minute %d of %d replicas are ready, want 3", d.Status.ReadyReplicas, d.Status.Replicas)
	}
	r.announced("general", fleet.Floor)
	r.await("the plan of the floor", 10*time.Second, func() (bool, string) {
		why := ""
		for _, p := range r.plans("general", at.Add(-time.Minute)) {
			why += p.Why + "\n"
		}
		return strings.Contains(why, "min 3 for schedule rush from "+at.Format("15:04 UTC")+" on"), why
	})

	r.settled("general", 1, 2*time.Minute)
	if early := time.Until(at.Add(30 * time.Second)); early > 0 {
		t.Errorf("the workers have gone %s before its end", early)
	}
	var did []string
	for _, e := range shown[[]audit.Entry](r, "audit") {
		if e.On == "pools.general.min" {
			did = append(did, fmt.Sprintf("%s %s → %s", e.Verb, e.Before, e.After))
		}
	}
	if got := strings.Join(did, ", "); !strings.HasSuffix(got, "expire 3 → , begin 1 → 3, tune 1 → 3") {
		t.Errorf("siren audit tells of %s", got)
	}
}
