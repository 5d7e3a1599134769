package rival

import (
	"slices"
	"testing"
	"time"
)

const s = time.Second

// Each sequence was reckoned by hand from the algorithm that Kubernetes documents.
func TestHPA(t *testing.T) {
	type step struct {
		metric float64
		want   int
	}
	for _, c := range []struct {
		name   string
		change func(*HPA)
		steps  []step // 15 s apart, on the pods of the one before
	}{
		{
			// from 1: 1+4 is more than twice 1; from 5: twice is 10, and 5+4 is less; and so on up to max
			"its defaults let it grow by four, or to twice as many", func(*HPA) {},
			[]step{{100, 5}, {100, 10}, {100, 20}, {100, 40}, {100, 40}},
		},
		{"without limits it grows at once", func(h *HPA) { h.UpPods = 40 }, []step{{33, 33}, {100, 40}}},
		{
			// 5.4 messages on 5 pods are 8 % too many, 5.6 are 12 %
			"within the tolerance nothing changes", func(h *HPA) { h.UpPods = 40 },
			[]step{{5, 5}, {5.4, 5}, {5.6, 6}},
		},
		{
			"without a tolerance the least counts", func(h *HPA) { h.UpPods, h.Tolerance = 40, 0 },
			[]step{{5, 5}, {5.1, 6}},
		},
		{
			// the 8 of 15 s is recommended until 75 s, then the 3 of 30 s on counts
			"it shrinks to the largest of the window", func(h *HPA) { h.UpPods, h.DownAfter = 40, time.Minute },
			[]step{{0, 1}, {8, 8}, {3, 8}, {2, 8}, {2, 8}, {2, 3}, {2, 2}},
		},
		{"without a window it shrinks at once", func(h *HPA) { h.UpPods, h.DownAfter = 40, 0 }, []step{{8, 8}, {2, 2}}},
	} {
		h := Defaults(1, 40)
		c.change(h)
		pods := 1
		var got, want []int
		for i, st := range c.steps {
			pods = h.PerPod(time.Duration(i)*15*s, pods, st.metric, 1)
			got, want = append(got, pods), append(want, st.want)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
}

// A metric as it is (Value) scales what is ready by its ratio to the target.
func TestHPAOfWhole(t *testing.T) {
	h := Defaults(1, 40)
	h.UpPods = 40
	for _, c := range []struct {
		pods, ready int
		metric      float64
		want        int
	}{
		{2, 2, 60, 8}, // four times 15 s
		{8, 4, 30, 8}, // only four are ready: twice as many
		{8, 8, 16, 8}, // 7 % off
		{8, 8, 3.75, 8},
	} {
		if got := h.Whole(0, c.pods, c.ready, c.metric, 15); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
