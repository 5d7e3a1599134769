package lanes

import (
	"slices"
	"testing"
)

func TestTakeOrder(t *testing.T) {
	// Listed out of order on purpose: only the policy's order of lanes counts.
	policy := Policy{
		Lanes: []Lane{
			{Name: "express"},
			{Name: "standard"},
			{Name: "slow", Match: []string{"x"}},
			{Name: "bulk", Match: []string{"y"}},
		},
		Pools: []Pool{
			{Name: "general", Lanes: []string{"standard", "express"}, Guests: []string{"bulk", "slow"}},
			{Name: "batch", Lanes: []string{"bulk", "slow"}, Guests: []string{"express"}},
		},
	}
	policy.Lanes[0].Match = []string{"z"} // standard is the default
	home := []string{"express", "standard", "slow", "bulk"}
	tests := []struct {
		name string
		e    Effective
		pool string
		want [][]string // by turn, from 0
	}{
		{"no such pool", Effective{}, "nobody", [][]string{nil}},
		{"own lanes by urgency, then guests", Effective{}, "general", [][]string{home, home}},
		{
			"a guest is last, however urgent it is elsewhere",
			Effective{},
			"batch",
			[][]string{{"slow", "bulk", "express"}},
		},
		{
			"guests are shut out of one pool",
			Effective{NoGuests: []string{"general"}},
			"general",
			[][]string{{"express", "standard"}, {"express", "standard"}},
		},
		{
			"and not out of another",
			Effective{NoGuests: []string{"general"}},
			"batch",
			[][]string{{"slow", "bulk", "express"}},
		},
		{
			"a promoted guest takes turns",
			Effective{Turns: map[string]string{"bulk": "standard"}},
			"general",
			[][]string{home, {"express", "bulk", "standard", "slow"}, home, {"express", "bulk", "standard", "slow"}},
		},
		{
			"and isn't shut out",
			Effective{Turns: map[string]string{"bulk": "standard"}, NoGuests: []string{"general"}},
			"general",
			[][]string{{"express", "standard", "bulk"}, {"express", "bulk", "standard"}},
		},
		{
			"but only where it takes turns",
			Effective{Turns: map[string]string{"express": "standard"}, NoGuests: []string{"batch"}},
			"batch",
			[][]string{{"slow", "bulk"}, {"slow", "bulk"}},
		},
		{
			"a promotion to a lane that isn't served here",
			Effective{Turns: map[string]string{"bulk": "standard"}},
			"batch",
			[][]string{{"slow", "bulk", "express"}, {"slow", "bulk", "express"}},
		},
		{
			// With two at the same lane neither may stand behind the other for good.
			"two take turns with one",
			Effective{Turns: map[string]string{"slow": "standard", "bulk": "standard"}},
			"general",
			[][]string{home, {"express", "slow", "standard", "bulk"}, {"express", "bulk", "standard", "slow"}, home},
		},
		{
			"two with two",
			Effective{Turns: map[string]string{"bulk": "standard", "slow": "express"}},
			"general",
			[][]string{home, {"slow", "express", "bulk", "standard"}, home},
		},
		{
			// standard has every other turn, and gives every other one of those away.
			"a lane promoted to a promoted one shares its turns",
			Effective{Turns: map[string]string{"bulk": "standard", "standard": "express"}},
			"general",
			[][]string{
				home,
				{"standard", "express", "slow", "bulk"},
				home,
				{"bulk", "express", "standard", "slow"},
				home,
				{"standard", "express", "slow", "bulk"},
			},
		},
		{"nonsense does no harm", Effective{Turns: map[string]string{
			"bulk": "bulk", "slow": "express",
			"express": "slow",
		}}, "general", [][]string{home, home}},
		{
			"former lanes come last, in the pool of the default lane",
			Effective{Former: []Queue{{"old", Classic}, {"older", Quorum}, {"older", Classic}, {"bulk", Quorum}}},
			"general",
			[][]string{{"express", "standard", "slow", "bulk", "old", "older"}},
		},
		{
			"and in no other",
			Effective{Former: []Queue{{"old", Classic}}},
			"batch",
			[][]string{{"slow", "bulk", "express"}},
		},
		{
			"also when guests are shut out",
			Effective{Former: []Queue{{"old", Classic}}, NoGuests: []string{"general"}},
			"general",
			[][]string{{"express", "standard", "old"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.e.Policy = policy
			for turn, want := range tt.want {
				if got := tt.e.TakeOrder(tt.pool, turn); !slices.Equal(got, want) {
					t.Errorf("turn %d: %v, want %v", turn, got, want)
				}
			}
		})
	}
	if got := policy.Pools[0].Lanes; !slices.Equal(got, []string{"standard", "express"}) {
		t.Errorf("the policy itself was sorted: %v", got)
	}
}
