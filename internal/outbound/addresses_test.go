package outbound_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"usher/internal/outbound"
)

// address returns an https address of an IP address.
func address(ip string) string {
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	return "https://" + ip + "/x"
}

func networks(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	none := outbound.New(outbound.Rules{})
	private := outbound.New(outbound.Rules{AllowNetworks: networks("10.0.0.0/8", "169.254.0.0/16", "fd00::/8", "0.0.0.0/0")})
	named := outbound.New(outbound.Rules{AllowNetworks: networks("169.254.169.254/32")})
	allow := func(c *outbound.Client, ips ...string) {
		t.Helper()
		for _, ip := range ips {
			if _, err := c.Check(address(ip)); err != nil {
				t.Errorf("%s: %v", ip, err)
			}
		}
	}
	deny := func(c *outbound.Client, ips ...string) {
		t.Helper()
		for _, ip := range ips {
			if _, err := c.Check(address(ip)); !errors.Is(err, outbound.ErrAddress) {
				t.Errorf("%s: %v", ip, err)
			}
		}
	}
	allow(none, "8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8")
	deny(none,
		"127.0.0.1", "127.255.255.255", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1", "100.64.0.1",
		"192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::7f00:1", "fe80::1", "fe80::1%25lo", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:7f00:1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1",
		"169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
	allow(private, "10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "127.0.0.1", "169.254.1.1", "fd12::1")
	deny(private, "169.254.169.254", "168.63.129.16", "fd00:ec2::254", "::1", "64:ff9b::a9fe:a9fe")
	allow(named, "169.254.169.254", "::ffff:169.254.169.254")
	deny(named, "169.254.169.253")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	https := outbound.New(outbound.Rules{Ports: []uint16{443, 8443}})
	http := outbound.New(outbound.Rules{Ports: []uint16{443, 80}, AllowHTTP: true})
	for _, tt := range []struct {
		client  *outbound.Client
		address string
		want    error
	}{
		{https, "https://example.org/a?b=c", nil},
		{https, "https://example.org:8443", nil},
		{https, "https://example.org:444/x", outbound.ErrPort},
		{https, "https://example.org:65979/x", outbound.ErrURL},
		{https, "http://example.org/x", outbound.ErrScheme},
		{https, "ftp://example.org/x", outbound.ErrScheme},
		{https, "https:example.org", outbound.ErrURL},
		{https, "https:///x", outbound.ErrURL},
		{https, "https://u:p@example.org/x", outbound.ErrURL},
		{https, "https://exa mple.org/x", outbound.ErrURL},
		{https, "https://[::1/x", outbound.ErrURL},
		{https, "https://example.org/" + strings.Repeat("x", 3000), outbound.ErrURL},
		{http, "http://example.org/x", nil},
		{http, "http://example.org:8080/x", outbound.ErrPort},
	} {
		_, err := tt.client.Check(tt.address)
		var typed *outbound.Error
		if !errors.Is(err, tt.want) || err != nil && (!errors.As(err, &typed) || !typed.Refused() || strings.Contains(err.Error(), "/x")) {
			t.Errorf("%.60s: %v, expected %v", tt.address, err, tt.want)
		}
	}
}

// No text makes a client accept a host that is a special address, however it is spelt.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"https://127.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://example.org", "https://[fe80::1%25eth0]", "https://0177.0.0.1", "https://1.1.1.1:443", ""} {
		f.Add(seed)
	}
	c := outbound.New(outbound.Rules{})
	f.Fuzz(func(t *testing.T, text string) {
		u, err := c.Check(text)
		if err != nil {
			return
		}
		if u.Scheme != "https" || u.User != nil || u.Hostname() == "" {
			t.Errorf("%q is accepted", text)
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && (ip.Unmap().IsPrivate() || ip.Unmap().IsLoopback() || ip.Unmap().IsLinkLocalUnicast() || ip.Zone() != "") {
			t.Errorf("%q is accepted", text)
		}
	})
}
