// Package guard tells addresses of the public internet from those that a stranger's URL must not lead to.
package guard

import (
	"net/netip"
)

// special is every block that isn't the public internet, for what netip.Addr has no method
// (IANA's special-purpose registries).
var special = blocks(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", // within 2000::/3: Teredo, documentation, 6to4
)

var (
	global6 = netip.MustParsePrefix("2000::/3")
	nat64   = blocks("64:ff9b::/96", "64:ff9b:1::/48")
)

func blocks(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func within(addr netip.Addr, list []netip.Prefix) bool {
	for _, b := range list {
		if b.Contains(addr) {
			return true
		}
	}
	return false
}

// Internal says what keeps addr from being fetched from; "" for a public address.
func Internal(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	switch {
	case addr.IsLoopback():
		return "a loopback address"
	case addr.IsPrivate():
		return "a private address"
	case addr.IsLinkLocalUnicast():
		return "a link-local address"
	case addr.IsMulticast():
		return "a multicast address"
	case addr.IsUnspecified():
		return "the unspecified address"
	case within(addr, nat64):
		return "a NAT64 address"
	case within(addr, special), addr.Is6() && !global6.Contains(addr):
		return "a special-purpose address"
	}
	return ""
}
