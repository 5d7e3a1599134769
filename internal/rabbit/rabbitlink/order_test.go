package rabbitlink

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func placesOf(n int) (all []place) {
	for i := range n {
		ip := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		all = append(all, place{at: address{fmt.Sprint("node", i), 5672, ip}})
	}
	return all
}

func sorted(o *order, all []place) (home address, at []address) {
	all = slices.Clone(all)
	home = o.sort(all)
	for _, p := range all {
		at = append(at, p.at)
	}
	return home, at
}

// The order of the addresses that stay is the same, whatever others come and go, and however they are listed.
func TestOrderIsStable(t *testing.T) {
	o, all := newOrder(), placesOf(9)
	_, whole := sorted(o, all)
	slices.Reverse(all)
	_, some := sorted(o, all[:6])
	for _, gone := range all[6:] {
		whole = slices.DeleteFunc(whole, func(a address) bool { return a == gone.at })
	}
	if !slices.Equal(whole, some) {
		t.Errorf("%v, then %v", whole, some)
	}
}

// What hangs goes behind the others for a minute and stays the home; what is cut off goes last, for longer each time,
// and isn't.
func TestOrderOfTheAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, all := newOrder(), placesOf(3)
		_, calm := sorted(o, all)
		first, second, third := calm[0], calm[1], calm[2]
		wants := func(home address, want ...address) {
			t.Helper()
			if h, got := sorted(o, all); h != home || !slices.Equal(got, want) {
				t.Errorf("home %v, order %v; want %v, %v", h, got, home, want)
			}
		}
		o.silent(first)
		wants(first, second, third, first)
		o.banish(second)
		wants(first, third, first, second)
		o.answered(first)
		wants(first, first, third, second)
		o.silent(first)
		time.Sleep(time.Minute)
		wants(first, first, second, third)

		o.banish(first)
		time.Sleep(cutFor)
		wants(first, first, second, third)
		o.banish(first)
		time.Sleep(cutFor)
		wants(second, second, third, first) // the second time it is longer
		time.Sleep(cutFor)
		wants(first, first, second, third)
		for range 9 {
			o.banish(first)
		}
		time.Sleep(cutMost)
		wants(first, first, second, third)
	})
}
