package ratelimit

import "net/netip"

// nat64 is the prefix of IPv4 addresses behind NAT64 (RFC 6052), which are of many
// sites.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// HostSource returns the source of a host: its address, or for IPv6 its /64
// network, which one site has. A host that is not an address is its own source.
func HostSource(host string) string {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:])).String()
	}
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil { // every IPv6 address has a /64
		return host
	}
	return p.String()
}
