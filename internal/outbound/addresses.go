package outbound

import (
	"net/netip"
	"slices"
)

// special are the networks that are not public, by the registries of special-purpose addresses
// of IANA (RFC 6890). For IPv6 only 2000::/3 is public at all, and below are its exceptions.
func special() []netip.Prefix {
	return parse(
		"0.0.0.0/8",       // this network (RFC 791)
		"10.0.0.0/8",      // private (RFC 1918)
		"100.64.0.0/10",   // shared, carrier-grade NAT (RFC 6598)
		"127.0.0.0/8",     // loopback (RFC 1122)
		"169.254.0.0/16",  // link-local (RFC 3927)
		"172.16.0.0/12",   // private (RFC 1918)
		"192.0.0.0/24",    // protocol assignments (RFC 6890)
		"192.0.2.0/24",    // documentation (RFC 5737)
		"192.88.99.0/24",  // 6to4 relays (RFC 7526)
		"192.168.0.0/16",  // private (RFC 1918)
		"198.18.0.0/15",   // benchmarks (RFC 2544)
		"198.51.100.0/24", // documentation (RFC 5737)
		"203.0.113.0/24",  // documentation (RFC 5737)
		"224.0.0.0/4",     // multicast (RFC 5771)
		"240.0.0.0/4",     // reserved, broadcast (RFC 1112)
		"2001::/23",       // protocol assignments, Teredo (RFC 2928)
		"2001:db8::/32",   // documentation (RFC 3849)
		"2002::/16",       // 6to4, which holds an IPv4 address (RFC 3056)
		"3fff::/20",       // documentation (RFC 9637)
	)
}

// metadata are the addresses at which clouds answer with credentials. They are refused even
// inside of an allowed network, unless a rule names the address itself.
func metadata() []netip.Addr {
	var all []netip.Addr
	for _, p := range parse(
		"169.254.169.254/32", // AWS, Azure, Google Cloud, OpenStack, and others
		"169.254.170.2/32",   // AWS ECS
		"169.254.170.23/32",  // AWS EKS
		"fd00:ec2::254/128",  // AWS
		"fd00:ec2::23/128",   // AWS EKS
		"fd20:ce::254/128",   // Google Cloud
		"168.63.129.16/32",   // Azure
		"100.100.100.200/32", // Alibaba Cloud
		"192.0.0.192/32",     // Oracle Cloud
		"169.254.0.23/32",    // Tencent Cloud
		"169.254.42.42/32",   // Scaleway
		"fd00:42::42/128",    // Scaleway
	) {
		all = append(all, p.Addr())
	}
	return all
}

func parse(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// addresses decides to which addresses a client may connect.
type addresses struct {
	allowed, special []netip.Prefix
	metadata         []netip.Addr
	public6, nat64   netip.Prefix
}

func newAddresses(allowed []netip.Prefix) *addresses {
	return &addresses{
		allowed: allowed, special: special(), metadata: metadata(),
		public6: netip.MustParsePrefix("2000::/3"), nat64: netip.MustParsePrefix("64:ff9b::/96"),
	}
}

// allow reports whether a client may connect to an address.
func (a *addresses) allow(ip netip.Addr) bool {
	if !ip.IsValid() || ip.Zone() != "" {
		return false
	}
	ip = ip.Unmap()
	if a.nat64.Contains(ip) && !a.listed(ip) { // the packets go to the IPv4 address (RFC 6052)
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	if slices.Contains(a.metadata, ip) {
		return slices.Contains(a.allowed, netip.PrefixFrom(ip, ip.BitLen()))
	}
	if a.listed(ip) {
		return true
	}
	if ip.Is6() && !a.public6.Contains(ip) {
		return false
	}
	return !slices.ContainsFunc(a.special, func(p netip.Prefix) bool { return p.Contains(ip) })
}

func (a *addresses) listed(ip netip.Addr) bool {
	return slices.ContainsFunc(a.allowed, func(p netip.Prefix) bool { return p.Contains(ip) })
}
